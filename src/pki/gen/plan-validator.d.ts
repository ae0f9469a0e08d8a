import type { ValidateFunction } from 'ajv'

export declare const plan: ValidateFunction
/** Of `#/$defs/changes`. */
export declare const changes: ValidateFunction
