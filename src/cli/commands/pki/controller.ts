/** `trustplane pki controller`: certificates that renew themselves, in cert-manager's words. */
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { parseDuration } from '#clock.ts'
import { nearest, TrustplaneError } from '#errors.ts'
import type { Log } from '#log.ts'
import { createCommand, onRun } from '../../command.ts'
import type { Io } from '../../io.ts'
import { onInterrupt } from '../../signals.ts'
import { clockOption, followedClock, type PlanOptions, planFor, planOption } from './options.ts'

interface ControllerOptions extends PlanOptions {
  kubeconfig?: string
  keep?: string
  namespace: string
  duration?: string
  renewBefore?: string
}

export function buildController(io: Io | undefined): Command {
  const command = createCommand({
    name: 'controller',
    summary: 'a controller that keeps certificates fresh, with cert-manager’s kinds',
    description:
      'Runs until it is stopped. It defines Certificate, CertificateRequest, Issuer and ClusterIssuer (cert-manager.io/v1) in the apiserver, and\nkeeps every Certificate’s Secret issued and renewed: `kubectl get certificates`, `kubectl describe certificate NAME` say what happened.\nA Certificate with the annotation trustplane.io/certificate: NAME also writes the files of that name in --dir.',
    formats: ['table', 'json'],
    examples: [
      { does: 'For what you apply with kubectl', line: 'trustplane pki controller' },
      {
        does: 'Two certificates of the running mesh, new every ten minutes',
        line: 'trustplane pki controller --keep apiserver,front-proxy-client --duration 20m --renew-before 10m',
      },
      { does: 'What it keeps', line: 'kubectl --kubeconfig .trustplane/admin.conf get certificates -A -o wide' },
    ],
  })
    .option('--kubeconfig <file>', 'whose apiserver, and as whom; else admin.conf in --dir')
    .option(
      '--keep <names>',
      'certificates and kubeconfigs of --dir to keep fresh, separated by commas: makes an Issuer for each CA',
    )
    .addOption(new Option('--namespace <name>', 'where --keep puts its objects').default('kube-system'))
    .addOption(new Option('--duration <duration>', 'of what --keep names, instead of the plan’s').argParser(duration))
    .addOption(
      new Option('--renew-before <duration>', 'of what --keep names, instead of a third of its life').argParser(
        duration,
      ),
    )
    .addOption(planOption())
    .addOption(clockOption())
  return onRun<ControllerOptions>(command, io, async (_, { io, options, say }) => {
    const interrupt = onInterrupt()
    const { dir, namespace } = options
    const [{ startRenewal }, { writeThrough }, { keepFresh }, { createClient }, { fileRecords }] = await Promise.all([
      import('#renewal/controller.ts'),
      import('#renewal/write-through.ts'),
      import('#renewal/keep.ts'),
      import('#kubernetes/from-kubeconfig.ts'),
      import('#tls/records.ts'),
    ])
    const plan = await planFor(options)
    const names = options.keep?.split(',').filter(Boolean) ?? []
    checkNames(names, plan)
    const log = logTo(say)
    const clock = followedClock(options)
    const records = fileRecords(join(dir, 'connections', 'cert-manager.jsonl'))
    const client = createClient({
      kubeconfig: options.kubeconfig ?? join(dir, 'admin.conf'),
      component: 'cert-manager',
      from: 'cert-manager',
      to: 'kube-apiserver',
      clock,
      voice: 'go1.24',
      log,
      records,
    })
    try {
      const renewal = await startRenewal({
        client,
        clock,
        log,
        onSecret: writeThrough({ dir, plan }),
        onEvent(about, type, reason, message) {
          const { kind = '', name = '', namespace: place } = about
          io.stdout.write(
            options.output === 'json'
              ? `${JSON.stringify({ time: clock.now().toISOString(), kind, namespace: place, name, type, reason, message })}\n`
              : `${type === 'Warning' ? '! ' : ''}${kind.toLowerCase()}/${name}: ${reason}: ${message}\n`,
          )
        },
      })
      say('Certificates are kept fresh until Ctrl-C. Look at them: kubectl get certificates -A')
      try {
        if (names.length > 0) {
          const { duration: lasts, renewBefore } = options
          await keepFresh({
            client,
            dir,
            plan,
            names,
            namespace,
            ...(lasts ? { duration: lasts } : {}),
            ...(renewBefore ? { renewBefore } : {}),
          })
        }
        return await interrupt.status
      } finally {
        await renewal.stop()
      }
    } catch (error) {
      throw explained(error, dir)
    } finally {
      interrupt.release()
      clock.close()
      await client.close()
      await records.close()
    }
  })
}

/** An apiserver that does not answer, or that refuses, is no bug of ours. */
function explained(error: unknown, dir: string): unknown {
  const { name, message } = error as Error
  if (name === 'RequestError')
    return new TrustplaneError('TP_NOT_RUNNING', `no kube-apiserver answers: ${message}`, {
      fix: `start a mesh with \`trustplane up --dir ${dir}\`, or give --kubeconfig of one that runs`,
      cause: error,
    })
  if (name === 'StatusError')
    return new TrustplaneError('TP_INPUT_INVALID', `the kube-apiserver refuses what the controller needs: ${message}`, {
      fix: 'give --kubeconfig of somebody who may write CustomResourceDefinitions, Secrets and Events, as admin.conf may',
      cause: error,
    })
  return error
}

/** As written, once it is known to be one. @throws TrustplaneError TP_FLAG_INVALID */
function duration(text: string): string {
  parseDuration(text)
  return text
}

/** Before anything is dialled. @throws TrustplaneError TP_NAME_UNKNOWN */
function checkNames(names: readonly string[], plan: Awaited<ReturnType<typeof planFor>>): void {
  const known = [...plan.certificates, ...plan.kubeconfigs].map(({ name }) => name)
  const unknown = names.find(name => !known.includes(name))
  if (unknown === undefined) return
  const near = nearest(unknown, known)
  throw new TrustplaneError('TP_NAME_UNKNOWN', `there is no certificate ${JSON.stringify(unknown)} to keep`, {
    fix: near ? `did you mean ${near}?` : `give some of: ${known.join(', ')}`,
  })
}

/** What goes wrong is for people; the rest is in the events. */
const logTo = (say: (line: string) => void): Log => ({
  info() {},
  warn: message => say(`! ${message}`),
  error: (message, error) =>
    say(`! ${message}${error === undefined ? '' : `: ${error instanceof Error ? error.message : error}`}`),
})
