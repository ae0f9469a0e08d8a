/** URLs in etcd's flags: what its flag parser and its listeners take (pkg/types/urls.go, embed/config.go). */
import { isIP } from 'node:net'
import { TrustplaneError } from '#errors.ts'

export interface ListenUrl {
  /** As it was written. */
  text: string
  secure: boolean
  host: string
  port: number
}

/** @throws TrustplaneError TP_FLAG_INVALID, in etcd's words */
export function listenUrls(flag: string, texts: readonly string[]): ListenUrl[] {
  return checkUrls(flag, texts).map(url => {
    const host = url.hostname.replace(/^\[|\]$/g, '')
    if (!/^https?:$/.test(url.protocol)) {
      throw new TrustplaneError('TP_FLAG_INVALID', `etcd: --${flag}: unix sockets are not served: ${url.text}`, {
        fix: 'listen on http:// or https:// with an IP and a port',
      })
    }
    if (isIP(host) === 0 && host !== 'localhost') {
      throw new TrustplaneError('TP_FLAG_INVALID', `etcd: expected IP in URL for binding (${url.text})`, {
        fix: `give --${flag} an IP address of this machine, or localhost`,
      })
    }
    return { text: url.text, secure: url.protocol === 'https:', host, port: Number(url.port) }
  })
}

interface CheckedUrl {
  text: string
  protocol: string
  hostname: string
  port: string
}

/** @throws TrustplaneError TP_FLAG_INVALID, in etcd's words */
export function checkUrls(flag: string, texts: readonly string[]): CheckedUrl[] {
  return texts.map(given => {
    const text = given.trim()
    const invalid = (why: string, fix: string) =>
      new TrustplaneError(
        'TP_FLAG_INVALID',
        `etcd: invalid value "${texts.join(',')}" for flag -${flag}: ${why}: ${text}`,
        {
          fix,
        },
      )
    // URL leaves out a scheme's default port, so the port is read from the text
    const match = /^(\w+):\/\/(\[[^\]]*\]|[^:/]*)(?::(\d+))?(\/.*)?$/.exec(text)
    const [, scheme = '', hostname = '', port, path = ''] = match ?? []
    if (!/^(https?|unixs?)$/.test(scheme)) {
      throw invalid('URL scheme must be http, https, unix, or unixs', 'write it as https://127.0.0.1:2379')
    }
    if (port === undefined || Number(port) > 65_535) {
      throw invalid('URL address does not have the form "host:port"', 'write it as https://127.0.0.1:2379')
    }
    if (path !== '') throw invalid('URL must not contain a path', 'leave out what follows the port')
    return { text, protocol: `${scheme}:`, hostname, port }
  })
}
