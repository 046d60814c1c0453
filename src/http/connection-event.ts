/** Which event of a server brings the socket that its requests have, so that it can be watched from its first byte on. */
import type { Server } from 'node:net'
import { Server as TlsServer } from 'node:tls'

/** With TLS, the socket of the requests is there after the handshake. */
export function connectionEvent(server: Server): 'connection' | 'secureConnection' {
  return server instanceof TlsServer ? 'secureConnection' : 'connection'
}
