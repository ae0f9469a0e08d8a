/** The v2 document as `openapi.v2.Document` of gnostic, in protobuf: what kubectl up to 1.28 reads. Field numbers: OpenAPIv2.proto. */
import type { SwaggerDocument } from './documents.ts'

class Writer {
  readonly #chunks: Buffer[] = []

  tag(field: number, wireType: number): this {
    return this.varint(field * 8 + wireType)
  }

  varint(value: number): this {
    const bytes: number[] = []
    let rest = value
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
    bytes.push(rest)
    this.#chunks.push(Buffer.from(bytes))
    return this
  }

  bytes(field: number, value: string | Buffer): this {
    const data = typeof value === 'string' ? Buffer.from(value, 'utf8') : value
    this.tag(field, 2).varint(data.length)
    this.#chunks.push(data)
    return this
  }

  /** Left out when empty, as proto3 does. */
  text(field: number, value: unknown): this {
    return typeof value === 'string' && value !== '' ? this.bytes(field, value) : this
  }

  message(field: number, write: (writer: Writer) => void): this {
    const inner = new Writer()
    write(inner)
    return this.bytes(field, inner.done())
  }

  bool(field: number, value: unknown): this {
    return value === true ? this.tag(field, 0).varint(1) : this
  }

  done(): Buffer {
    return Buffer.concat(this.#chunks)
  }
}

type Json = Record<string, unknown>

const isExtension = ([key]: [string, unknown]) => key.startsWith('x-')

/** NamedAny: a vendor extension, its value as YAML (JSON is YAML). */
function extensions(writer: Writer, field: number, object: Json): void {
  for (const [name, value] of Object.entries(object).filter(isExtension))
    writer.message(field, named => named.text(1, name).message(2, any => any.text(2, `${JSON.stringify(value)}\n`)))
}

function schema(writer: Writer, object: Json): void {
  writer.text(1, object.$ref).text(2, object.format).text(4, object.description)
  for (const name of (object.required as string[] | undefined) ?? []) writer.bytes(19, name)
  const more = object.additionalProperties as Json | undefined
  if (more) writer.message(21, item => item.message(1, inner => schema(inner, more)))
  if (object.type) writer.message(22, type => type.bytes(1, object.type as string))
  const items = object.items as Json | undefined
  if (items) writer.message(23, item => item.message(1, inner => schema(inner, items)))
  const properties = object.properties as Record<string, Json> | undefined
  if (properties) writer.message(25, all => named(all, 1, properties, schema))
  extensions(writer, 31, object)
}

function named(
  writer: Writer,
  field: number,
  objects: Record<string, Json>,
  write: (writer: Writer, object: Json) => void,
): void {
  for (const [name, object] of Object.entries(objects))
    writer.message(field, entry => entry.text(1, name).message(2, inner => write(inner, object)))
}

/** ParametersItem → Parameter → BodyParameter, or NonBodyParameter → QueryParameterSubSchema. */
function parameter(writer: Writer, object: Json): void {
  writer.message(1, outer => {
    if (object.in === 'body')
      outer.message(1, body =>
        body
          .text(2, object.name)
          .text(3, 'body')
          .bool(4, object.required)
          .message(5, inner => schema(inner, object.schema as Json)),
      )
    else
      outer.message(2, other =>
        // header = 1, formData = 2, query = 3
        other.message(3, query => query.text(2, 'query').text(4, object.name).text(6, object.type)),
      )
  })
}

function operation(writer: Writer, object: Json): void {
  writer.text(3, object.description).text(5, object.operationId)
  for (const type of (object.produces as string[] | undefined) ?? []) writer.bytes(6, type)
  for (const type of (object.consumes as string[] | undefined) ?? []) writer.bytes(7, type)
  for (const each of (object.parameters as Json[] | undefined) ?? []) writer.message(8, item => parameter(item, each))
  writer.message(9, responses => {
    for (const [code, response] of Object.entries(object.responses as Record<string, Json>)) {
      responses.message(1, entry =>
        entry.text(1, code).message(2, value =>
          // ResponseValue → Response → SchemaItem → Schema
          value.message(1, inner => {
            inner.text(1, response.description)
            const body = response.schema as Json | undefined
            if (body) inner.message(2, item => item.message(1, of => schema(of, body)))
          }),
        ),
      )
    }
  })
  extensions(writer, 13, object)
}

const methods: Record<string, number> = { get: 2, put: 3, post: 4, delete: 5, patch: 8 }

export function encodeGnostic(document: SwaggerDocument): Buffer {
  const writer = new Writer()
  writer.text(1, document.swagger).message(2, info => info.text(1, document.info.title).text(2, document.info.version))
  writer.message(8, paths =>
    named(paths, 2, document.paths, (item, operations) => {
      for (const [method, field] of Object.entries(methods))
        if (operations[method]) item.message(field, inner => operation(inner, operations[method] as Json))
    }),
  )
  writer.message(9, definitions => named(definitions, 1, document.definitions, schema))
  return writer.done()
}
