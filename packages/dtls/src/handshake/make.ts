import { BothVersions } from './both-versions.ts'
import { ClientHandshake12 } from './client12.ts'
import { ClientHandshake13 } from './client13.ts'
import { ClientHellos } from './client-hellos.ts'
import type { Handshake, HandshakeContext } from './context.ts'
import { ServerHandshake12 } from './server12.ts'
import { ServerHandshake13 } from './server13.ts'

/** The handshake of a role, in the versions that it has. */
export function makeHandshake(context: HandshakeContext): Handshake {
  const { versions } = context.config
  if (context.role === 'server') {
    if (!versions.includes('DTLS 1.3')) return new ServerHandshake12(context)
    const handshake13 = new ServerHandshake13(context)
    return versions.includes('DTLS 1.2')
      ? new BothVersions(handshake13, new ServerHandshake12(context))
      : handshake13
  }
  const hellos = new ClientHellos(context)
  if (!versions.includes('DTLS 1.3')) return new ClientHandshake12(context, hellos)
  const handshake13 = new ClientHandshake13(context, hellos)
  return versions.includes('DTLS 1.2')
    ? new BothVersions(handshake13, new ClientHandshake12(context, hellos))
    : handshake13
}
