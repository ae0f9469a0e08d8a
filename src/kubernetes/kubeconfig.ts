/** Reading a kubeconfig as client-go's clientcmd does: same fields, same precedence, same words when it is unusable. */
import { closeSync, openSync, readFileSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { parseDocument } from 'yaml'
import { TrustplaneError } from '#errors.ts'

/** Where a PEM comes from: in the kubeconfig itself, or a file beside it that is read again when it changes. */
export type Source = { data: string } | { file: string }

/** One context of a kubeconfig, checked; paths absolute. */
export interface Kubeconfig {
  /** The file itself; undefined when it was given as text. */
  path?: string
  context: string
  cluster: string
  user: string
  /** Of the context; '' when none is set. */
  namespace: string
  /** As written: `https://127.0.0.1:6443`. */
  server: string
  /** Undefined: the system's roots. */
  certificateAuthority?: Source
  clientCertificate?: Source
  clientKey?: Source
  token?: string
  tokenFile?: string
  tlsServerName?: string
  insecureSkipTlsVerify: boolean
  impersonate?: { user: string; uid?: string; groups: string[]; extra: Record<string, string[]> }
}

type Fields = Record<string, unknown>

/** The last few texts: the launcher reads each kubeconfig five times until every row is green, and parsing YAML is most of that. Never changed. */
const parsed = new Map<string, Fields>()
const mostParsed = 16

function remember(text: string, config: Fields): Fields {
  if (parsed.size >= mostParsed) parsed.delete(parsed.keys().next().value!)
  parsed.set(text, config)
  return config
}

/**
 * @param where a path, or the text of a kubeconfig with the folder that its relative paths start from
 * @param options.context instead of current-context
 * @throws TrustplaneError TP_FILE_UNREADABLE or TP_INPUT_INVALID; the message is client-go's
 */
export function loadKubeconfig(
  where: string | { text: string; folder: string },
  options: { context?: string } = {},
): Kubeconfig {
  const path = typeof where === 'string' ? where : undefined
  const text = typeof where === 'string' ? read(where) : where.text
  const folder = typeof where === 'string' ? dirname(where) : where.folder
  const config = parsed.get(text) ?? remember(text, parse(text, path))
  const clusters = named(config.clusters, 'cluster')
  const users = named(config.users, 'user')
  const contexts = named(config.contexts, 'context')
  const fail = (message: string, fix = 'mend the kubeconfig, or write it anew with `trustplane pki init`') =>
    new TrustplaneError('TP_INPUT_INVALID', message, { fix, ...(path ? { at: { file: path } } : {}) })
  const invalid = (problems: string[]) =>
    fail(`invalid configuration: ${problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`}`)

  const contextName = options.context ?? string(config['current-context'])
  if (clusters.size === 0 && users.size === 0 && contexts.size === 0 && !contextName) {
    throw invalid(['no configuration has been provided, try setting KUBERNETES_MASTER environment variable'])
  }
  if (!contextName) throw fail('no context chosen', 'set current-context in it')
  const context = contexts.get(contextName)
  if (!context) throw invalid([`context was not found for specified context: ${contextName}`])

  const problems: string[] = []
  const clusterName = string(context.cluster)
  const userName = string(context.user)
  const user = users.get(userName)
  const cluster = clusters.get(clusterName)
  if (!userName) problems.push(`user was not specified for context ${JSON.stringify(contextName)}`)
  else if (!user) problems.push(`user ${q(userName)} was not found for context ${q(contextName)}`)
  if (!clusterName) problems.push(`cluster was not specified for context ${q(contextName)}`)
  else if (!cluster) problems.push(`cluster ${q(clusterName)} was not found for context ${q(contextName)}`)
  if (!user || !cluster) throw invalid(problems)

  const at = (file: unknown) =>
    string(file) === '' ? '' : isAbsolute(string(file)) ? string(file) : join(folder, string(file))
  const decode = (value: unknown, field: string) => {
    const data = string(value).replace(/\s+/g, '')
    const bad = /[^A-Za-z0-9+/=]|=(?!=?$)/.exec(data)
    if (bad || data.length % 4 !== 0) {
      throw fail(
        `error loading config file ${q(path ?? 'text')}: illegal base64 data at input byte ${bad?.index ?? data.length} (${field})`,
      )
    }
    return Buffer.from(data, 'base64').toString('latin1')
  }
  const source = (fields: Fields, name: string): Source | undefined => {
    if (string(fields[`${name}-data`])) return { data: decode(fields[`${name}-data`], `${name}-data`) }
    return string(fields[name]) ? { file: at(fields[name]) } : undefined
  }

  const clientCertificate = source(user, 'client-certificate')
  const clientKey = source(user, 'client-key')
  const certificateAuthority = source(cluster, 'certificate-authority')
  if (clientCertificate) {
    if (user['client-certificate'] && user['client-certificate-data'])
      problems.push(
        `client-cert-data and client-cert are both specified for ${userName}. client-cert-data will override.`,
      )
    if (user['client-key'] && user['client-key-data'])
      problems.push(`client-key-data and client-key are both specified for ${userName}; client-key-data will override`)
    if (!clientKey)
      problems.push(
        `client-key-data or client-key must be specified for ${userName} to use the clientCert authentication method.`,
      )
    problems.push(
      ...unreadable(user['client-certificate'] ? at(user['client-certificate']) : '', 'client-cert', userName),
    )
    problems.push(...unreadable(user['client-key'] ? at(user['client-key']) : '', 'client-key', userName))
  }
  const server = string(cluster.server)
  if (Object.keys(cluster).length === 0) problems.push('cluster has no server defined')
  else if (!server) problems.push(`no server found for cluster ${q(clusterName)}`)
  if (cluster['certificate-authority'] && cluster['certificate-authority-data'])
    problems.push(
      `certificate-authority-data and certificate-authority are both specified for ${clusterName}. certificate-authority-data will override.`,
    )
  problems.push(
    ...unreadable(
      cluster['certificate-authority'] ? at(cluster['certificate-authority']) : '',
      'certificate-authority',
      clusterName,
    ),
  )
  if (string(user.token) && (string(user.username) || string(user.password)))
    problems.push(
      `more than one authentication method found for ${userName}; found [token basicAuth], only one is allowed`,
    )
  if ((user['as-groups'] || user['as-user-extra']) && !user.as)
    problems.push(`requesting groups or user-extra for ${userName} without impersonating a user`)
  if (problems.length > 0) throw invalid(problems)
  if (user.exec || user['auth-provider']) {
    throw fail(
      `user ${q(userName)} has ${user.exec ? 'an exec plugin' : 'an auth provider'}, which trustplane does not run`,
      'use a certificate or a token',
    )
  }

  const insecureSkipTlsVerify = cluster['insecure-skip-tls-verify'] === true
  if (insecureSkipTlsVerify && certificateAuthority) {
    throw fail('specifying a root certificates file with the insecure flag is not allowed')
  }
  let url: URL
  try {
    url = new URL(server.includes('://') ? server : `https://${server}`)
  } catch (cause) {
    throw new TrustplaneError('TP_INPUT_INVALID', `parse ${q(server)}: not a URL`, {
      fix: 'write it as https://HOST:PORT',
      cause,
      ...(path ? { at: { file: path } } : {}),
    })
  }
  return {
    ...(path ? { path } : {}),
    context: contextName,
    cluster: clusterName,
    user: userName,
    namespace: string(context.namespace),
    server: url.href.replace(/\/$/, ''),
    ...(certificateAuthority ? { certificateAuthority } : {}),
    ...(clientCertificate ? { clientCertificate } : {}),
    ...(clientKey ? { clientKey } : {}),
    ...(string(user.token) ? { token: string(user.token) } : {}),
    ...(string(user.tokenFile) ? { tokenFile: at(user.tokenFile) } : {}),
    ...(string(cluster['tls-server-name']) ? { tlsServerName: string(cluster['tls-server-name']) } : {}),
    insecureSkipTlsVerify,
    ...(string(user.as)
      ? {
          impersonate: {
            user: string(user.as),
            ...(string(user['as-uid']) ? { uid: string(user['as-uid']) } : {}),
            groups: Array.isArray(user['as-groups']) ? user['as-groups'].map(String) : [],
            extra: (user['as-user-extra'] ?? {}) as Record<string, string[]>,
          },
        }
      : {}),
  }
}

const q = JSON.stringify
const string = (value: unknown) =>
  typeof value === 'string' ? value : value === undefined || value === null ? '' : String(value)

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    const message =
      code === 'ENOENT'
        ? `stat ${path}: no such file or directory`
        : `error loading config file ${q(path)}: ${goErrno('open', path, code)}`
    throw new TrustplaneError('TP_FILE_UNREADABLE', message, {
      fix: `give the path of a kubeconfig that this process may read`,
      cause,
    })
  }
}

function parse(text: string, path: string | undefined): Fields {
  const document = parseDocument(text)
  const problem = document.errors[0]
  const where = q(path ?? 'text')
  if (problem) {
    const position = problem.linePos?.[0]
    throw new TrustplaneError(
      'TP_INPUT_INVALID',
      `error loading config file ${where}: yaml: ${position ? `line ${position.line}: ` : ''}${problem.message.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, '')}`,
      {
        fix: 'mend the YAML at that line',
        cause: problem,
        ...(path ? { at: { file: path, ...(position ? { line: position.line, column: position.col } : {}) } } : {}),
      },
    )
  }
  const value = document.toJS() as unknown
  const fix = 'a kubeconfig starts with `apiVersion: v1` and `kind: Config`'
  if (value === null || value === undefined) return {}
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new TrustplaneError(
      'TP_INPUT_INVALID',
      `error loading config file ${where}: couldn't get version/kind; json parse error: json: cannot unmarshal ${Array.isArray(value) ? 'array' : typeof value} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`,
      { fix, ...(path ? { at: { file: path, line: 1 } } : {}) },
    )
  }
  const config = value as Fields
  if (config.kind !== undefined && config.kind !== 'Config') {
    throw new TrustplaneError(
      'TP_INPUT_INVALID',
      `error loading config file ${where}: no kind ${q(String(config.kind))} is registered for version ${q(string(config.apiVersion))} in scheme "pkg/runtime/scheme.go:110"`,
      { fix, ...(path ? { at: { file: path } } : {}) },
    )
  }
  return config
}

/** `[{ name, <field>: {…} }]` by name; the first of a name wins, as in clientcmd's conversion. */
function named(list: unknown, field: string): Map<string, Fields> {
  const map = new Map<string, Fields>()
  for (const entry of Array.isArray(list) ? (list as Fields[]) : []) {
    const name = string(entry?.name)
    if (!map.has(name)) map.set(name, (entry?.[field] ?? {}) as Fields)
  }
  return map
}

function unreadable(file: string, field: string, owner: string): string[] {
  if (!file) return []
  try {
    closeSync(openSync(file, 'r'))
    return []
  } catch (error) {
    return [
      `unable to read ${field} ${file} for ${owner} due to ${goErrno('open', file, (error as NodeJS.ErrnoException).code)}`,
    ]
  }
}

/** os.PathError as Go prints it. */
function goErrno(operation: string, path: string, code: string | undefined): string {
  const words: Record<string, string> = {
    ENOENT: 'no such file or directory',
    EACCES: 'permission denied',
    EISDIR: 'is a directory',
    ENOTDIR: 'not a directory',
  }
  return `${operation} ${path}: ${words[code ?? ''] ?? code ?? 'unknown error'}`
}
