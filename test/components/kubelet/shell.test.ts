import t from 'tap'
import type { Io } from '#components/kubelet/shell/io.ts'
import { isKnown, run } from '#components/kubelet/shell/run.ts'

async function output(argv: readonly string[], more: Partial<Io> = {}) {
  let out = ''
  let err = ''
  const status = await run(argv, {
    out(text) {
      out += text
    },
    err(text) {
      err += text
    },
    read: async () => undefined,
    env: new Map([['COLOUR', 'blue green']]),
    hostname: 'web-1',
    file: async path => (path === '/etc/hostname' ? 'web-1\n' : undefined),
    folder: path => (path === '/' ? ['etc'] : undefined),
    now: () => new Date(0),
    signal: new AbortController().signal,
    ...more,
  })
  return { status, out, err }
}
const sh = (script: string, more?: Partial<Io>) => output(['sh', '-c', script], more)

const scripts: { script: string; out?: string; err?: string; status?: number }[] = [
  { script: 'echo hello; exit 3', out: 'hello\n', status: 3 },
  { script: 'false || echo no', out: 'no\n' },
  { script: 'true && echo yes', out: 'yes\n' },
  { script: 'false && echo yes; echo $?', out: '1\n' },
  { script: 'echo "$COLOUR" | cat', out: 'blue green\n' },
  { script: 'echo \'$COLOUR\' "$MISSING" $'.concat('{MISSING:-none}'), out: '$COLOUR  none\n' },
  { script: 'for c in $COLOUR red; do echo $c; done', out: 'blue\ngreen\nred\n' },
  { script: 'echo "on $(hostname)"', out: 'on web-1\n' },
  { script: 'X=5; if [ $X -gt 3 ]; then echo big; else echo small; fi', out: 'big\n' },
  { script: 'echo lost > /tmp/x; echo seen >&2', err: 'seen\n' },
  {
    script: 'cat /etc/hostname /nowhere',
    out: 'web-1\n',
    err: "cat: can't open '/nowhere': No such file or directory\n",
    status: 1,
  },
  { script: 'rm -rf /', err: 'sh: rm: not found\n', status: 127 },
  { script: 'echo "open', err: 'sh: unterminated quoted string\n', status: 2 },
  { script: 'if true; fi', err: 'sh: syntax error: unexpected "fi"\n', status: 2 },
  { script: '', status: 0 },
  { script: '# nothing\necho a # b', out: 'a\n' },
  { script: 'i=1; while [ $i -lt 4 ]; do echo $i; i=$(seq 2 4 | cat >/dev/null; echo 4); done', out: '1\n' },
]
for (const { script, out = '', err = '', status = 0 } of scripts) {
  t.test(`sh -c ${JSON.stringify(script)}`, async t => {
    t.strictSame(await sh(script), { out, err, status })
  })
}

t.test('a loop without an end ends when the container is stopped, and leaves others their turn', async t => {
  const stop = new AbortController()
  const running = sh('while true; do :; done', { signal: stop.signal })
  await new Promise(resolve => setTimeout(resolve, 20))
  stop.abort()
  t.equal((await running).status, 143)
})

t.test('a shell on stdin takes a line at a time', async t => {
  const lines = ['echo one\nec', 'ho two\n', 'exit 4\n', 'echo never\n']
  const { out, status } = await output(['/bin/sh'], { read: async () => lines.shift() })
  t.equal(out, 'one\ntwo\n')
  t.equal(status, 4)
})

t.test('a program is known by its name, with or without its folder', async t => {
  t.ok(isKnown(['/bin/echo']))
  t.notOk(isKnown(['nginx', '-g', 'daemon off;']))
  t.notOk(isKnown([]))
  t.notOk(isKnown(['constructor']))
})
