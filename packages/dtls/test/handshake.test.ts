import { describe, expect, it } from 'vitest'
import { encodeUtf8 } from '@str0m/sans-io'
import { makeClient, makeServer, Wire } from './support.ts'

describe('handshake', () => {
  it('connects, with the same SRTP keys crosswise', () => {
    const wire = new Wire()
    wire.connect()
    const [client] = wire.events.client
    const [server] = wire.events.server
    expect(client?.type).toBe('connected')
    expect(server?.type).toBe('connected')
    if (client?.type !== 'connected' || server?.type !== 'connected') return
    expect(client.srtp?.localKey).toEqual(server.srtp?.remoteKey)
    expect(client.srtp?.remoteSalt).toEqual(server.srtp?.localSalt)
    wire.client.send(encodeUtf8('hello'))
    wire.run(wire.now + 10)
    expect(wire.events.server[1]).toEqual({ type: 'data', data: encodeUtf8('hello') })
  })

  it('connects with a cookie', () => {
    const wire = new Wire(makeClient(), makeServer({ cookie: 'required' }))
    wire.connect()
    expect(wire.server.state).toBe('connected')
  })
})
