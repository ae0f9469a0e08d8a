/** A report as SARIF 2.1.0, which code hosts show beside the lines: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html */
import type { LintReport } from './lint.ts'
import { ruleOf, rules } from './rules.ts'
import type { Finding } from './types.ts'

export function sarif({ findings }: LintReport): object {
  return {
    $schema: 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/cos02/schemas/sarif-schema-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'trustplane pki lint',
            rules: rules.map(({ id, severity, what, why, source, fix }) => ({
              id,
              shortDescription: { text: what },
              fullDescription: { text: why },
              help: { text: `${fix}. Source: ${source}` },
              defaultConfiguration: { level: severity },
            })),
          },
        },
        results: findings.map(resultOf),
      },
    ],
  }
}

function resultOf({ rule, path, line, detail, layer, blob, commit }: Finding): object {
  const { severity, what } = ruleOf(rule)
  return {
    ruleId: rule,
    ruleIndex: rules.findIndex(({ id }) => id === rule),
    level: severity,
    message: { text: [what, detail].filter(Boolean).join(': ') },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: path.split('/').map(encodeURIComponent).join('/') },
          ...(line === undefined ? {} : { region: { startLine: line } }),
        },
      },
    ],
    properties: { layer, blob, commit },
  }
}
