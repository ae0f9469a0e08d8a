/** What a schema cannot say: names used once, files inside the state directory and used once, every reference to something that is there. */
import { posix } from 'node:path'
import { nearest } from '#errors.ts'
import type { Section } from './changes.ts'
import type { AuthoritySpec, Issuance, KeyPairSpec, Plan } from './types.ts'
import { compareVersions } from './versions.ts'

/** Where something is wrong: a section, a row's name, a field (and an index in it). */
export interface Finding {
  section: Section | 'trust' | 'cluster'
  name: string
  field?: string
  index?: number
  message: string
}

/** The self-signed authority above `name`, which is what clients are given to believe. */
export function rootAbove(name: string, authorities: readonly AuthoritySpec[]): string {
  const seen = new Set<string>()
  for (let current = name; ; ) {
    const authority = authorities.find(candidate => candidate.name === current)
    if (!authority || authority.issuer === 'self' || seen.has(current)) return current
    seen.add(current)
    current = authority.issuer
  }
}

export function checkPlan(plan: Plan, report: (finding: Finding) => void): void {
  const names = new Map<string, Section>()
  const files = new Map<string, string>()
  const rows: { section: Section; row: Issuance | KeyPairSpec; paths: string[] }[] = [
    ...plan.authorities.map(row => ({
      section: 'authorities' as const,
      row,
      paths: row.sameKeyAs ? [row.certificateFile] : [row.certificateFile, row.keyFile],
    })),
    ...plan.certificates.map(row => ({
      section: 'certificates' as const,
      row,
      paths: row.sameAs ? [] : [row.certificateFile, row.keyFile],
    })),
    ...plan.kubeconfigs.map(row => ({ section: 'kubeconfigs' as const, row, paths: [row.file] })),
    ...plan.keyPairs.map(row => ({ section: 'keyPairs' as const, row, paths: [row.keyFile, row.publicKeyFile] })),
  ]
  for (const { section, row, paths } of rows) {
    const { name } = row
    if (names.has(name) || name === 'self') {
      report({ section, name, field: 'name', message: `the name ${JSON.stringify(name)} is used twice` })
    }
    names.set(name, section)
    const { file } = row
    if (posix.isAbsolute(file) || file !== posix.normalize(file) || file.startsWith('..') || /[\\\0]/.test(file)) {
      report({ section, name, field: 'file', message: `not a path inside the state directory: ${file}` })
    }
    for (const path of paths) {
      const other = files.get(path)
      if (other) report({ section, name, field: 'file', message: `${path} is written by ${other} already` })
      files.set(path, name)
    }
  }
  const authorityNames = plan.authorities.map(row => row.name)
  const certificateNames = plan.certificates.map(row => row.name)
  const keyed = [...names.keys()]
  const must = (word: string, known: readonly string[], what: string, where: Omit<Finding, 'message'>) => {
    if (known.includes(word)) return
    const near = nearest(word, known)
    const hint = near ? `, did you mean ${JSON.stringify(near)}?` : `; known: ${known.join(', ')}`
    report({ ...where, message: `unknown ${what} ${JSON.stringify(word)}${hint}` })
  }
  for (const { section, row } of rows) {
    if (!('issuer' in row)) continue
    const { name } = row
    if (row.issuer !== 'self') must(row.issuer, authorityNames, 'authority', { section, name, field: 'issuer' })
    row.chain.forEach((authority, index) => {
      must(authority, authorityNames, 'authority', { section, name, field: 'chain', index })
    })
    if (row.sameKeyAs) must(row.sameKeyAs, keyed, 'entry', { section, name, field: 'sameKeyAs' })
  }
  for (const { name, keyFrom, sameAs } of plan.certificates) {
    if (sameAs) {
      const others = plan.certificates.filter(row => !row.sameAs).map(row => row.name)
      must(sameAs, others, 'certificate', { section: 'certificates', name, field: 'sameAs' })
    }
    if (keyFrom) must(keyFrom, keyed, 'entry', { section: 'certificates', name, field: 'keyFrom' })
  }
  for (const { name, trust } of plan.kubeconfigs) {
    trust.forEach((trusted, index) => {
      const where = { section: 'kubeconfigs', name, field: 'trust', index } as const
      must(trusted, [...authorityNames, ...certificateNames], 'authority', where)
    })
  }
  for (const authority of plan.authorities) {
    const root = rootAbove(authority.name, plan.authorities)
    const top = plan.authorities.find(candidate => candidate.name === root)
    if (top && top.issuer !== 'self' && authorityNames.includes(top.issuer)) {
      report({
        section: 'authorities',
        name: authority.name,
        field: 'issuer',
        message: `${authority.name} is, in the end, issued by itself`,
      })
    }
  }
  for (const [slot, trusted] of Object.entries(plan.trust)) {
    trusted.forEach((name, index) => {
      must(name, [...authorityNames, ...certificateNames], 'authority', { section: 'trust', name: slot, index })
    })
  }
  if (compareVersions(plan.kubernetesVersion, '1.1') < 0) {
    report({ section: 'cluster', name: '', message: `no such Kubernetes version: ${plan.kubernetesVersion}` })
  }
}
