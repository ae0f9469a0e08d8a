/** What a name may look like: apimachinery's validation, with its words. */
import type { FieldError } from '#kubernetes/status.ts'
import type { Strategy } from './types.ts'

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomain = `${label}(\\.${label})*`
const label1035 = '[a-z]([-a-z0-9]*[a-z0-9])?'

const rules = {
  subdomain: {
    max: 253,
    pattern: subdomain,
    text: `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${subdomain}')`,
  },
  label: {
    max: 63,
    pattern: label,
    text: `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${label}')`,
  },
  label1035: {
    max: 63,
    pattern: label1035,
    text: `a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '${label1035}')`,
  },
} as const

export function nameErrors(name: string, kind: Strategy['name'] = 'subdomain', field = 'metadata.name'): FieldError[] {
  if (kind === 'any') return []
  if (kind === 'path') {
    if (name === '.' || name === '..') return [{ type: 'invalid', field, value: name, detail: `may not be '${name}'` }]
    return ['/', '%']
      .filter(char => name.includes(char))
      .map(char => ({ type: 'invalid', field, value: name, detail: `may not contain '${char}'` }))
  }
  const { max, pattern, text } = rules[kind]
  const errors: FieldError[] = []
  if (name.length > max)
    errors.push({ type: 'invalid', field, value: name, detail: `must be no more than ${max} characters` })
  if (!new RegExp(`^${pattern}$`).test(name)) errors.push({ type: 'invalid', field, value: name, detail: text })
  return errors
}

const qualifiedName = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/

/** Of `metadata.labels`. */
export function labelErrors(labels: Record<string, unknown> | undefined): FieldError[] {
  const errors: FieldError[] = []
  for (const [key, value] of Object.entries(labels ?? {})) {
    const name = key.slice(key.indexOf('/') + 1)
    if (!qualifiedName.test(key) || name.length > 63) {
      errors.push({
        type: 'invalid',
        field: 'metadata.labels',
        value: key,
        detail:
          name.length > 63
            ? 'name part must be no more than 63 characters'
            : "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      })
    }
    if (typeof value !== 'string' || !labelValue.test(value) || value.length > 63) {
      errors.push({
        type: 'invalid',
        field: 'metadata.labels',
        value,
        detail:
          typeof value === 'string' && value.length > 63
            ? 'must be no more than 63 characters'
            : "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
      })
    }
  }
  return errors
}
