/** @peculiar/x509, loaded when the first certificate is made: it takes longer to load than the whole PKI to make. */
type Library = typeof import('@peculiar/x509')

let library: Promise<Library> | undefined

/** May be called early, to load the library while something else happens. */
export function loadX509(): Promise<Library> {
  library ??= (async () => {
    // the library registers its classes through it: it must be there first
    await import('reflect-metadata')
    return import('@peculiar/x509')
  })()
  return library
}
