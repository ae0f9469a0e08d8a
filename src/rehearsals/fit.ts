/** A rehearsal for the mesh that it is played on: its plan, with every node's kubelet; or why it does not fit there. */
import { TrustplaneError } from '#errors.ts'
import { applyChanges } from '#pki/plan.ts'
import type { CertificateSpec, KubeconfigSpec, Plan } from '#pki/types.ts'
import { findAction, type TargetKind } from './actions.ts'
import { onEveryMember } from './bundles.ts'
import type { Rehearsal, Step } from './types.ts'

/**
 * @param plan what the mesh's PKI was made from
 * @throws TrustplaneError TP_REHEARSAL_STOPPED with everything that does not fit
 */
export async function fitted(rehearsal: Rehearsal, plan: Plan, where: string): Promise<Rehearsal> {
  const problems = differences(rehearsal, plan)
  if (problems.length > 0) {
    const told = problems.slice(0, mostTold)
    const more = problems.length - told.length
    throw new TrustplaneError(
      'TP_REHEARSAL_STOPPED',
      `${rehearsal.name} does not fit the PKI in ${where} (plan ${plan.name}), and nothing was changed:\n${told.map(line => `- ${line}`).join('\n')}${more > 0 ? `\n- and ${more} more` : ''}`,
      {
        fix: `choose one that fits (\`trustplane rehearse --list\`), or another --dir; without --dir one that fits (plan ${rehearsal.plan.name}) is made for the time`,
      },
    )
  }
  const own = await applyChanges(plan, { ownTrustFiles: true })
  const target = rehearsal.becomes ? await applyChanges(own, rehearsal.becomes) : own
  return { ...rehearsal, plan: own, target, steps: stepsFor(rehearsal, own) }
}

const mostTold = 5
const shown = (value: unknown): string => String(value) || 'empty'

/** What a rehearsal's steps count on, as it is there: who signs what, in which groups somebody is, and who believes whom. */
function differences({ plan: wanted, becomes }: Rehearsal, there: Plan): string[] {
  const problems: string[] = []
  const compare = <T extends { name: string }>(
    what: string,
    rows: readonly T[],
    known: readonly T[],
    read: (row: T) => Record<string, unknown>,
  ) => {
    for (const row of rows) {
      const its = known.find(({ name }) => name === row.name)
      if (!its) problems.push(`it has no ${what} ${row.name}`)
      else {
        const [a, b] = [read(row), read(its)]
        for (const key of Object.keys(a)) {
          if (String(a[key]) !== String(b[key]))
            problems.push(`${what} ${row.name}: ${key} is ${shown(b[key])} there, and not ${shown(a[key])}`)
        }
      }
    }
  }
  compare('authority', wanted.authorities, there.authorities, ({ certificateFile, keyAlgorithm }) => ({
    file: certificateFile,
    // only who changes the keys' type counts on it
    ...(becomes?.keyAlgorithm ? { keyAlgorithm } : {}),
  }))
  // of more members of etcd than there are, nothing is done
  const certificates = wanted.certificates.filter(row => !row.etcdMember)
  compare('certificate', certificates, there.certificates, row => ({
    file: row.certificateFile,
    issuer: row.issuer,
    organizations: row.organizations,
  }))
  compare('kubeconfig', wanted.kubeconfigs, there.kubeconfigs, row => ({
    file: row.file,
    issuer: row.issuer,
    organizations: row.organizations,
    trust: row.trust,
  }))
  compare('key pair', wanted.keyPairs, there.keyPairs, row => ({ file: row.keyFile }))
  const slots = ({ trust }: Plan) => Object.entries(trust).map(([name, names]) => ({ name, authorities: names ?? [] }))
  compare('trust slot', slots(wanted), slots(there), ({ authorities }) => ({ authorities }))
  return problems
}

/**
 * What a step does to the first node's certificates, it does to those of every node (and of every member of etcd that no step
 * names). What is about members that are not there is left out.
 */
function stepsFor({ steps, plan: wanted }: Rehearsal, plan: Plan): Step[] {
  const rows: (CertificateSpec | KubeconfigSpec)[] = [...plan.certificates, ...plan.kubeconfigs]
  const named = new Set(steps.flatMap(step => step.actions.flatMap(({ targets }) => targets)))
  const others = (target: string) =>
    rows.flatMap(row => {
      const place = row.node ?? ('etcdMember' in row ? row.etcdMember : undefined)
      return row.name === target.replace(/(\.conf)?$/, `-${place}$1`) && !named.has(row.name) ? [row.name] : []
    })
  const isMember = (name: string) => plan.cluster.etcdMembers.some(member => member.name === name)
  const isThere = (target: string) => {
    const [, at] = /^etcd.*@(.+)$/.exec(target) ?? []
    const its = at ?? wanted.certificates.find(({ name }) => name === target)?.etcdMember
    return its === undefined || isMember(its)
  }
  const actionsOf = (step: Step) =>
    step.actions.flatMap(action => {
      const there = action.targets.filter(isThere)
      const targets = ofCertificates.includes(findAction(action.name)!.kind)
        ? [...new Set(onEveryMember(plan, there).flatMap(target => [target, ...others(target)]))]
        : there
      return targets.length > 0 || action.targets.length === 0 ? [{ ...action, targets }] : []
    })
  return steps.map(step => ({ ...step, actions: actionsOf(step) })).filter(({ actions }) => actions.length > 0)
}

const ofCertificates: readonly TargetKind[] = ['leaf', 'trust', 'watched']
