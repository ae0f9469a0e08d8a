/**
 * What the JSON Schema says of a rehearsal's file. scripts/build.js compiles it and puts the code in the place of this one: compiling the
 * schema takes as long as starting a mesh.
 */
import { Ajv2020 } from 'ajv/dist/2020.js'
import { rehearsalSchema } from './schema.ts'

export const validate = new Ajv2020({ allErrors: true, verbose: true, strict: false }).compile(rehearsalSchema())
