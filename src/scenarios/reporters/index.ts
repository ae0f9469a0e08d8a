/** Reporters by the name that `-o` takes. */
import { htmlReport } from './html.ts'
import { json } from './json.ts'
import { junit } from './junit.ts'
import { pretty } from './pretty.ts'
import type { Reporter, ReporterOptions } from './reporter.ts'
import { tap } from './tap.ts'

export const reporters: Readonly<Record<string, (options: ReporterOptions) => Reporter>> = {
  pretty,
  tap,
  junit,
  json,
  html: htmlReport,
}
