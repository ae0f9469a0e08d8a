/** HTML from templates: what is put in is escaped, unless it is markup already. */
export class Markup {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

type Value = string | number | Markup | readonly Markup[] | false | undefined

/** `html\`<p>${text}</p>\`` */
export const html = (parts: TemplateStringsArray, ...values: readonly Value[]): Markup =>
  new Markup(parts.reduce((text, part, index) => `${text}${render(values[index - 1])}${part}`))

function render(value: Value): string {
  if (value === undefined || value === false) return ''
  if (value instanceof Markup) return value.text
  if (typeof value === 'object') return value.map(one => one.text).join('')
  return escapeHtml(String(value))
}

const escapeHtml = (text: string): string =>
  text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
    .replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/g, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')

/** Text with `code` in it. */
export const prose = (text: string): Markup[] =>
  text.split('`').map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : html`${part}`))

/** A source of a scenario: only what a browser may follow becomes a link. */
export const link = (address: string): Markup =>
  /^https?:\/\//.test(address)
    ? html`<a href="${address}">${address.replace(/^https?:\/\//, '')}</a>`
    : html`${address}`
