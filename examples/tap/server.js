/** What is under test: a server that asks for client certificates, and answers with the name in them. */
import { createServer } from 'node:https'

/** @param {{ cert: string, key: string, ca: string }} files PEM */
export function start({ cert, key, ca }) {
  const server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true }, (request, response) => {
    response.end(request.socket.getPeerCertificate().subject.CN)
  })
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(server)))
}
