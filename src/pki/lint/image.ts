/** Container images as tarballs (`docker save`, an OCI layout): keys in every layer, also those that a later layer deletes. */
import { readArchive } from './archive.ts'
import { inspect } from './inspect.ts'
import { count, type Inspected, type Looked } from './types.ts'

export interface InImage extends Inspected {
  /** A later layer deletes it; who pulls the image has it all the same. */
  deleted: boolean
}

/** https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts */
const whiteout = '.wh.'
const opaque = '.wh..wh..opq'

export async function inspectImage(file: string, looked: Looked): Promise<InImage[]> {
  const found: Inspected[] = []
  const documents = new Map<string, unknown>()
  const deletions: { layer: string; path: string }[] = []
  await readArchive(
    file,
    looked,
    blob => {
      const inspected = count(inspect(blob), blob.data, looked)
      if (inspected.keys.length > 0) found.push(inspected)
      // `{` or `[`: manifests, indexes and configurations are JSON
      if (!blob.place.layer && [0x7b, 0x5b].includes(blob.data[0] ?? 0)) readDocument(documents, blob.path, blob.data)
    },
    (layer, path) => {
      const at = path.lastIndexOf('/') + 1
      const [folder, name] = [path.slice(0, at), path.slice(at)]
      if (name === opaque) deletions.push({ layer, path: folder })
      else if (name.startsWith(whiteout)) deletions.push({ layer, path: folder + name.slice(whiteout.length) })
    },
  )
  const order = layersIn(documents)
  const isDeleted = ({ path, place: { layer } }: Inspected) =>
    layer !== undefined &&
    deletions.some(
      one =>
        order.indexOf(one.layer) > order.indexOf(layer) &&
        (path === one.path || path.startsWith(one.path.endsWith('/') ? one.path : `${one.path}/`)),
    )
  return found.map(one => ({ ...one, deleted: isDeleted(one) }))
}

function readDocument(documents: Map<string, unknown>, path: string, data: Buffer): void {
  try {
    documents.set(path, JSON.parse(data.toString('utf8')))
  } catch {
    // not JSON, whatever its first byte
  }
}

interface Descriptor {
  digest?: string
}

/** The paths of layers, the lowest first: by docker's manifest.json, else by the OCI index and the manifests that it names. */
function layersIn(documents: ReadonlyMap<string, unknown>): string[] {
  const docker = documents.get('manifest.json')
  if (Array.isArray(docker)) return docker.flatMap((image: { Layers?: string[] }) => image.Layers ?? [])
  const pathOf = ({ digest = '' }: Descriptor) => `blobs/${digest.replace(':', '/')}`
  const walk = (document: unknown, depth: number): string[] => {
    const { manifests = [], layers = [] } = (document ?? {}) as { manifests?: Descriptor[]; layers?: Descriptor[] }
    const below = depth > 3 ? [] : manifests.flatMap(one => walk(documents.get(pathOf(one)), depth + 1))
    return [...below, ...layers.map(pathOf)]
  }
  return walk(documents.get('index.json'), 0)
}
