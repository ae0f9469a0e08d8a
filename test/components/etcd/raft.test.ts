import t from 'tap'
import { Simulation } from './simulation.ts'

/** So long something goes wrong, in the simulation's time. */
const troubleMs = 25_000

/** Every so often one of these. */
async function trouble(simulation: Simulation): Promise<void> {
  const { random, names, cut } = simulation
  const anyone = () => random.pick(names)
  const cutBetween = (a: string, b: string) => {
    cut.add(`${a}>${b}`)
    cut.add(`${b}>${a}`)
  }
  const troubles: (() => unknown)[] = [
    () => {
      const side = new Set(names.filter(() => random.chance(0.5)))
      for (const a of side) for (const b of names) if (!side.has(b)) cutBetween(a, b)
    },
    () => {
      const from = simulation.leader ?? anyone()
      for (const name of names) if (name !== from) cutBetween(from, name)
    },
    () => cut.add(`${anyone()}>${anyone()}`),
    ...Array.from({ length: 4 }, () => () => cut.clear()),
    () => {
      const name = random.chance(0.5) ? simulation.leader : anyone()
      if (name && simulation.lives.has(name)) simulation.crash(name)
    },
    () => {
      const name = anyone()
      if (!simulation.lives.has(name)) return undefined
      // at once: nobody has noticed
      simulation.crash(name)
      return simulation.start(name)
    },
    () => simulation.lives.has(names[1]!) && simulation.stop(names[1]!),
    () => simulation.handOver(),
    () => {
      simulation.disk(anyone()).isFull = true
    },
    ...Array.from({ length: 3 }, () => () => {
      for (const name of names) simulation.disk(name).isFull = false
    }),
    ...[...names, ...names].map(name => () => simulation.lives.has(name) || simulation.start(name)),
  ]
  const end = simulation.time.now + troubleMs
  while (simulation.time.now < end) {
    await simulation.time.sleep(50 + random.below(700))
    void random.pick(troubles)()
  }
}

async function clients(simulation: Simulation): Promise<void> {
  const { random, time } = simulation
  const end = time.now + troubleMs
  while (time.now < end) {
    await time.sleep(random.below(120))
    const { alive } = simulation
    if (alive.length === 0) continue
    if (random.chance(0.6)) void simulation.propose(random.pick(alive))
    else void simulation.read(random.pick(alive))
  }
}

async function healed(simulation: Simulation): Promise<void> {
  simulation.cut.clear()
  simulation.loss = 0
  for (const name of simulation.names) {
    simulation.disk(name).isFull = false
    if (!simulation.lives.has(name)) await simulation.start(name)
  }
  for (const name of simulation.names) while (!(await simulation.propose(name)));
  await Promise.all(simulation.names.map(name => simulation.read(name)))
}

async function run(members: number, seed: number): Promise<Simulation> {
  const simulation = new Simulation(members, seed)
  const { time, names } = simulation
  const restore = time.install(() => simulation.random.next())
  try {
    for (const name of names) await simulation.start(name)
    await time.run(Promise.all([trouble(simulation), clients(simulation)]), 2 * troubleMs)
    // the timers of a stop that is under way
    await time.run(time.sleep(5000), 6000)
    await time.run(healed(simulation), 60_000)
    for (const name of names) simulation.crash(name)
    // nothing of it goes on in the next
    await time.run(time.sleep(10_000), 11_000)
  } finally {
    restore()
  }
  return simulation
}

const seeds = (process.env.TRUSTPLANE_RAFT_SEEDS ?? '1 2 3 4 5 6').split(' ').map(Number)

for (const members of [3, 5]) {
  t.test(`${members} members in trouble lose nothing that was acknowledged, and agree`, async t => {
    let reads = 0
    for (const seed of seeds) {
      const { broken, applied, acknowledged, counts, leaders } = await run(members, seed)
      t.strictSame(broken, [], `seed ${seed}`)
      t.strictSame(
        [...acknowledged].filter(value => !applied.includes(value)),
        [],
      )
      t.comment(JSON.stringify({ members, seed, ...counts, applied: applied.length, terms: leaders.size }))
      reads += counts.reads
    }
    t.ok(reads > 20 * seeds.length, 'it was tried')
  })
}
