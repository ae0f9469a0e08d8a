/** Addresses inside a CIDR, and free ones for services. */
import { isIPv6 } from 'node:net'

const toNumber = (address: string) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
const toText = (value: number) => [24, 16, 8, 0].map(shift => Math.floor(value / 2 ** shift) % 256).join('.')

/** The n-th address of the range: the first of `10.96.0.0/12` is 10.96.0.1. */
export function nthAddress(cidr: string, n: number): string {
  const [base = '', bits = '32'] = cidr.split('/')
  if (isIPv6(base)) return `${base.replace(/::$/, '')}::${n.toString(16)}`
  const size = 2 ** (32 - Number(bits))
  return toText(Math.floor(toNumber(base) / size) * size + n)
}

/** How many addresses may be given out: without network and broadcast. */
export function rangeSize(cidr: string): number {
  const [base = '', bits = '32'] = cidr.split('/')
  return isIPv6(base) ? 65_534 : Math.max(0, 2 ** (32 - Number(bits)) - 2)
}

export function contains(cidr: string, address: string): boolean {
  const [base = '', bits = '32'] = cidr.split('/')
  if (isIPv6(base)) return isIPv6(address)
  const size = 2 ** (32 - Number(bits))
  return Math.floor(toNumber(base) / size) === Math.floor(toNumber(address) / size)
}
