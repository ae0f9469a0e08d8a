/**
 * For `fastify({ schemaController })`: no route here has a JSON Schema, so fastify need not load the two compilers for them (ajv and
 * fast-json-stringify, a tenth of a component's CPU time to start). A route that is given one fails when it is registered.
 */
const refuse = () => {
  throw new Error('fastify was started without schema compilers (src/no-schemas.ts)')
}

export const noSchemas = { compilersFactory: { buildValidator: () => refuse, buildSerializer: () => refuse } }
