/** Writes DER, and wrong DER where a test asks for it. */

export type Der = Uint8Array

export function element(tag: number, ...contents: (Der | readonly number[])[]): Buffer {
  const content = Buffer.concat(contents.map(part => Buffer.from(part)))
  const length: number[] = []
  for (let rest = content.length; rest > 0; rest = Math.floor(rest / 256)) length.unshift(rest % 256)
  const header = content.length < 128 ? [content.length] : [0x80 | length.length, ...length]
  return Buffer.concat([Buffer.from([tag, ...header]), content])
}

export const sequence = (...contents: Der[]) => element(0x30, ...contents)
export const set = (...contents: Der[]) => element(0x31, ...contents)
export const octetString = (content: Der) => element(0x04, content)
export const bitString = (content: Der, unused = 0) => element(0x03, [unused], content)
export const boolean = (value: boolean) => element(0x01, [value ? 0xff : 0])
export const nothing = element(0x05)
export const ia5 = (tag: number, text: string) => element(tag, Buffer.from(text, 'latin1'))
export const utf8String = (text: string) => element(0x0c, Buffer.from(text))
/** `[number]`, constructed. */
export const explicit = (number: number, ...contents: Der[]) => element(0xa0 | number, ...contents)

export function integer(value: bigint | number): Buffer {
  let rest = BigInt(value)
  const bytes: number[] = []
  do {
    bytes.unshift(Number(rest & 0xffn))
    rest >>= 8n
  } while (!((rest === 0n && bytes[0]! < 0x80) || (rest === -1n && bytes[0]! >= 0x80)))
  return element(0x02, bytes)
}

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second, ...rest].flatMap(arc => {
    const septets = [arc & 0x7f]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      septets.unshift(0x80 | (left & 0x7f))
    return septets
  })
  return element(0x06, bytes)
}

/** UTCTime before 2050, GeneralizedTime from then on. */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]|\.\d+/g, '')
  return date.getUTCFullYear() < 2050 ? ia5(0x17, digits.slice(2)) : ia5(0x18, digits)
}
