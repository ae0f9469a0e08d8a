import t from 'tap'
import { findRehearsal } from '../../src/rehearsals/find.ts'
import { loadRehearsal } from '../../src/rehearsals/load.ts'
import { rehearse } from '../../src/rehearsals/rehearse.ts'
import { brokenIn } from '../../src/rehearsals/result.ts'
import { startRehearsal } from '../../src/rehearsals/start.ts'

t.setTimeout(120_000)

t.test('members of etcd are restarted one by one; one that was left out is alone with its old CA', async t => {
  const rehearsal = await loadRehearsal(findRehearsal('etcd-ca'))
  const mesh = await startRehearsal(rehearsal, {})
  t.teardown(() => ('stop' in mesh ? (mesh as { stop(): Promise<void> }).stop() : undefined))
  const { steps } = await rehearse({
    mesh,
    rehearsal,
    rate: 60,
    skip: ['restart-etcd-2'],
    until: 'reissue-member-1',
  })
  const find = (name: string) => steps.find(({ step }) => step === name)!
  for (const name of ['restart-etcd-1', 'restart-etcd-3', 'restart-apiserver']) {
    t.strictSame(
      find(name).rows.filter(({ failed }) => failed > 0),
      [],
      `${name}: every request was answered`,
    )
  }
  const { whenSkipped } = rehearsal.steps.find(({ name }) => name === 'restart-etcd-2')!
  t.strictSame(brokenIn(find('reissue-member-1')), whenSkipped.breaks, 'it breaks where the file says, and only there')
})
