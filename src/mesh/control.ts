/**
 * What other commands may ask of a mesh's launcher: to restart a component. Asked and answered by files in `<dir>/control/`, so that it
 * works wherever the state directory can be reached, and nobody else can ask (the folder is 0700).
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, watch, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { type ErrorCode, messageOf, nearest, TrustplaneError } from '#errors.ts'
import { commandsIn, manifestsFolder } from '#pki/static-pods.ts'
import type { Mesh } from './mesh.ts'
import { type ComponentState, requireRunning } from './state.ts'

interface Request {
  type: 'restart'
  component: string
  /** Left out: the command line that it has. */
  argv?: readonly string[]
}

type Answer = { state: ComponentState } | { code: ErrorCode; message: string; fix?: string }

const folderOf = (dir: string) => join(resolve(dir), 'control')
/** True for a mesh whose launcher answers: `trustplane up`, once it has shown its table. */
export const takesRequests = (dir: string): boolean => existsSync(folderOf(dir))

const isRequest = (name: string) => name.endsWith('.request.json')

/** Answers requests for this mesh until it is closed. */
export function serveControl(mesh: Mesh): { close(): void } {
  const folder = folderOf(mesh.dir)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const taken = new Set<string>()
  const look = () => {
    for (const name of namesIn(folder).filter(isRequest)) {
      if (taken.has(name)) continue
      taken.add(name)
      answer(mesh, join(folder, name)).catch(() => {
        // the folder went away: whoever asked is gone, too
      })
    }
  }
  const watcher = watch(folder, look)
  look()
  return {
    close() {
      watcher.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function answer(mesh: Mesh, file: string): Promise<void> {
  let said: Answer
  try {
    const { component, argv } = JSON.parse(readFileSync(file, 'utf8')) as Request
    said = { state: await restart(mesh, component, argv) }
  } catch (error) {
    const { code = 'TP_INTERNAL', fix } = error as Partial<TrustplaneError>
    said = { code, message: messageOf(error), ...(fix ? { fix } : {}) }
  }
  rmSync(file, { force: true })
  put(file.replace('.request.json', '.answer.json'), said)
}

/** With the command line of its static pod's manifest, where there is one: a person may have changed it. */
async function restart(mesh: Mesh, id: string, argv?: readonly string[]): Promise<ComponentState> {
  const member = mesh.member(id)
  const manifest = join(mesh.dir, manifestsFolder, `${id}.yaml`)
  await member.restart(argv ?? (existsSync(manifest) ? argvIn(manifest, member.component) : member.argv))
  await member.settled(10_000)
  return member.toState()
}

/** @throws TrustplaneError TP_INPUT_INVALID */
function argvIn(manifest: string, component: string): string[] {
  const command = commandsIn(manifest).find(([program = '']) => basename(program) === component)
  if (command) return command.slice(1)
  throw new TrustplaneError('TP_INPUT_INVALID', `${manifest} holds no container whose command is ${component}`, {
    fix: 'mend the YAML: spec.containers[0].command is the component and its flags',
    at: { file: manifest },
  })
}

interface RestartOptions {
  /** Another command line than it has. */
  argv?: readonly string[]
  timeoutMs?: number
}

let asked = 0

/**
 * Asks the mesh of `dir` to restart a component, and waits until it serves again or has died.
 * @throws TrustplaneError TP_NOT_RUNNING, TP_NAME_UNKNOWN, TP_TIMEOUT
 */
export async function askToRestart(
  dir: string,
  component: string,
  { argv, timeoutMs = 30_000 }: RestartOptions = {},
): Promise<ComponentState> {
  const known = requireRunning(dir).components.map(({ id }) => id)
  if (!known.includes(component)) {
    const near = nearest(component, known)
    throw new TrustplaneError('TP_NAME_UNKNOWN', `this mesh has no component ${JSON.stringify(component)}`, {
      fix: near ? `did you mean ${near}?` : `it has ${known.join(', ')}`,
    })
  }
  const folder = folderOf(dir)
  if (!takesRequests(dir)) {
    throw new TrustplaneError('TP_NOT_RUNNING', `the mesh in ${dir} takes no requests`, {
      fix: 'it was started by a program and not by `trustplane up`: that program restarts its components',
    })
  }
  const name = `${process.pid}-${Date.now()}-${asked++}`
  const request: Request = { type: 'restart', component, ...(argv ? { argv } : {}) }
  put(join(folder, `${name}.request.json`), request)
  const said = await arrival(join(folder, `${name}.answer.json`), timeoutMs)
  if ('state' in said) return said.state
  throw new TrustplaneError(said.code, said.message, said.fix ? { fix: said.fix } : {})
}

async function arrival(file: string, timeoutMs: number): Promise<Answer> {
  const timeout = AbortSignal.timeout(timeoutMs)
  await new Promise<void>((arrived, fail) => {
    const watcher = watch(resolve(file, '..'), () => look())
    const end = (then: () => void) => {
      watcher.close()
      then()
    }
    const look = () => {
      if (existsSync(file)) end(arrived)
      else if (!existsSync(resolve(file, '..'))) {
        const fix = 'start it with `trustplane up`'
        end(() => fail(new TrustplaneError('TP_NOT_RUNNING', 'the mesh was stopped meanwhile', { fix })))
      }
    }
    timeout.addEventListener('abort', () =>
      end(() =>
        fail(
          new TrustplaneError('TP_TIMEOUT', `the launcher did not answer within ${timeoutMs / 1000} s`, {
            fix: 'look at it with `trustplane status`, or stop it with `trustplane down`',
          }),
        ),
      ),
    )
    look()
  })
  const said = JSON.parse(readFileSync(file, 'utf8')) as Answer
  rmSync(file, { force: true })
  return said
}

/** Whole or not at all. */
function put(file: string, content: Request | Answer): void {
  const next = `${file}.${process.pid}`
  writeFileSync(next, JSON.stringify(content), { mode: 0o600 })
  renameSync(next, file)
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
