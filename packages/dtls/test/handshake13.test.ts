import { encodeUtf8 } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import type { DtlsOptions } from '@str0m/dtls'
import { makeClient, makeServer, Wire } from './support.ts'

const BOTH: Partial<DtlsOptions> = { versions: ['DTLS 1.3', 'DTLS 1.2'] }

describe('handshake of DTLS 1.3', () => {
  it('connects, with the same SRTP keys crosswise', () => {
    const wire = new Wire(makeClient(BOTH), makeServer(BOTH))
    wire.connect()
    const [client] = wire.events.client
    const [server] = wire.events.server
    if (client?.type !== 'connected' || server?.type !== 'connected') throw new Error('not connected')
    expect(client.version).toBe('DTLS 1.3')
    expect(client.srtp?.localKey).toEqual(server.srtp?.remoteKey)
    expect(client.srtp?.remoteSalt).toEqual(server.srtp?.localSalt)
    wire.client.send(encodeUtf8('hello'))
    wire.run(wire.now + 10)
    expect(wire.events.server[1]).toEqual({ type: 'data', data: encodeUtf8('hello') })
  })
})
