/** IP addresses as Go's net.ParseIP, net.IP.Equal, net.IP.String and net.IPNet.String treat them. */
import type { Voice } from './types.ts'

/**
 * net.ParseIP: 16 bytes (IPv4 as ::ffff:a.b.c.d), or undefined. No zones, no leading zeros in IPv4.
 * In IPv6, a group has at most four digits; to Go 1.19 it could have any number of leading zeros.
 */
export function parseIp(text: string, voice: Voice = 'go1.24'): Uint8Array | undefined {
  for (const char of text) {
    if (char === '.') return parseIpv4(text)
    if (char === ':') return parseIpv6(text, voice === 'go1.19' ? /^0*[0-9a-fA-F]{1,4}$/ : /^[0-9a-fA-F]{1,4}$/)
    if (char === '%') return undefined
  }
  return undefined
}

function ipv4Bytes(text: string): number[] | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  const bytes = parts.map(part => (/^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : 256))
  return bytes.every(byte => byte < 256) ? bytes : undefined
}

function parseIpv4(text: string): Uint8Array | undefined {
  const bytes = ipv4Bytes(text)
  return bytes && to16(Uint8Array.from(bytes))
}

function parseIpv6(text: string, isGroup: RegExp): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const bytes: number[][] = []
  for (const [index, half] of halves.entries()) {
    const groups = half === '' ? [] : half.split(':')
    const half16: number[] = []
    for (const [at, group] of groups.entries()) {
      if (isGroup.test(group)) {
        const value = Number.parseInt(group, 16)
        half16.push(value >> 8, value & 0xff)
        continue
      }
      // an IPv4 address may stand for the last two groups
      const ipv4 = index === halves.length - 1 && at === groups.length - 1 ? ipv4Bytes(group) : undefined
      if (!ipv4) return undefined
      half16.push(...ipv4)
    }
    bytes.push(half16)
  }
  const [head = [], tail] = bytes
  if (!tail) return head.length === 16 ? Uint8Array.from(head) : undefined
  const gap = 16 - head.length - tail.length
  // :: stands for at least one group
  return gap >= 2 ? Uint8Array.from([...head, ...new Array<number>(gap).fill(0), ...tail]) : undefined
}

/** net.IP.To16; undefined for any other length than 4 and 16. */
function to16(ip: Uint8Array): Uint8Array | undefined {
  if (ip.length === 16) return ip
  if (ip.length !== 4) return undefined
  const bytes = new Uint8Array(16)
  bytes.fill(0xff, 10, 12)
  bytes.set(ip, 12)
  return bytes
}

const isIpv4Mapped = (ip: Uint8Array) =>
  ip.length === 16 && ip.subarray(0, 10).every(byte => byte === 0) && ip[10] === 0xff && ip[11] === 0xff

/** net.IP.Equal: 127.0.0.1 and ::ffff:127.0.0.1 are the same. */
export function equalIps(a: Uint8Array, b: Uint8Array): boolean {
  const [wideA, wideB] = [to16(a), to16(b)]
  return wideA !== undefined && wideB !== undefined && wideA.every((byte, index) => byte === wideB[index])
}

/** net.IP.String: IPv4 dotted (mapped too), IPv6 as RFC 5952. */
export function ipToString(ip: Uint8Array): string {
  if (ip.length === 4 || isIpv4Mapped(ip)) return ip.subarray(-4).join('.')
  if (ip.length !== 16) return `?${Buffer.from(ip).toString('hex')}`
  const groups = Array.from({ length: 8 }, (_, i) => (ip[i * 2]! << 8) | ip[i * 2 + 1]!)
  let best = { at: -1, length: 1 }
  for (let at = 0; at < 8; at++) {
    let length = 0
    while (groups[at + length] === 0) length++
    // only a run of two or more, the first of the longest ones
    if (length > best.length) best = { at, length }
    at += length
  }
  const hex = groups.map(group => group.toString(16))
  if (best.at < 0) return hex.join(':')
  return `${hex.slice(0, best.at).join(':')}::${hex.slice(best.at + best.length).join(':')}`
}

/** net.IPNet.String: address/ones. The mask is contiguous: the parser refused others. */
export function cidrToString({ ip, mask }: { ip: Uint8Array; mask: Uint8Array }): string {
  const ones = mask.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
  // networkNumberAndMask: an IPv4-mapped network is shown as IPv4, with the last 4 bytes of its mask
  if (ip.length === 16 && isIpv4Mapped(ip)) {
    const tail = mask.subarray(12).reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
    return `${ipToString(ip)}/${tail}`
  }
  return `${ipToString(ip)}/${ones}`
}
