/**
 * `node:http`, required. Imported as an ES module it has all its exports read, and WebSocket among them is a getter that loads
 * Node's own undici: half as much CPU again as a bare Node's start, in every process (Node 24.21).
 */
import { createRequire } from 'node:module'

export const { createServer, STATUS_CODES } = createRequire(import.meta.url)('node:http') as typeof import('node:http')
