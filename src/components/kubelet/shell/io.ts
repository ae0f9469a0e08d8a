/** What a program in a simulated container is given. */
export interface Io {
  out(text: string): void
  err(text: string): void
  /** The next of stdin; undefined at its end. */
  read(): Promise<string | undefined>
  env: Map<string, string>
  hostname: string
  /** The content of a file in the container; undefined: there is none. */
  file(path: string): Promise<string | undefined>
  /** What a folder holds; undefined: there is none. */
  folder(path: string): string[] | undefined
  now(): Date
  /** SIGTERM. */
  signal: AbortSignal
}

export const emptyInput = async () => undefined
