import { describe, expect, it } from 'vitest'
import { encodeUtf8 } from '@str0m/sans-io'
import type { Dtls } from '@str0m/dtls'
import { CLIENT_CERTIFICATE, makeClient, makeServer, Wire } from './support.ts'

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

describe('Buffers, whose slice shares memory', () => {
  it('go in where bytes do, and plain bytes come out', () => {
    // out of one pool, as sockets hand them out
    const pool = Buffer.alloc(1 << 16)
    let at = 0
    const pooled = (bytes: Uint8Array): Buffer => {
      pool.set(bytes, at)
      at += bytes.length
      return pool.subarray(at - bytes.length, at)
    }
    const wire = new Wire(makeClient(), makeServer({ cookie: 'required' }), (contents) => [
      { contents: pooled(contents), delay: 1 },
    ])
    wire.connect()
    wire.client.send(pooled(encodeUtf8('data')))
    wire.run(wire.now + 10)
    const [connected, data] = wire.events.server
    if (connected?.type !== 'connected' || data?.type !== 'data') throw new Error('no events')
    // data is where it came in, decrypted there: the datagram was handed over
    expect(data.data).toEqual(encodeUtf8('data'))
    expect(data.data.buffer).toBe(pool.buffer)
    expect(data.data.constructor).toBe(Uint8Array)
    // a socket that reuses its memory cannot change what was kept
    pool.fill(0)
    expect(connected.peerCertificate?.der).toEqual(CLIENT_CERTIFICATE.der)
    expect(connected.peerCertificate?.der.constructor).toBe(Uint8Array)
    expect(connected.peerCertificate?.issuers).toEqual([])
    expect(connected.peerCertificate?.fingerprint('sha-256')).toBe(CLIENT_CERTIFICATE.fingerprint('sha-256'))
    const material = (machine: Dtls): Uint8Array =>
      machine.exportKeyingMaterial('label', Buffer.from('context'), 40)
    expect(material(wire.client)).toEqual(material(wire.server))
  })
})

describe('data', () => {
  it('fits a datagram, and is refused where it does not', () => {
    const wire = new Wire(makeClient({ mtu: 300 }))
    expect(wire.client.maxDataLength).toBe(0)
    wire.connect()
    const { maxDataLength } = wire.client
    wire.client.send(new Uint8Array(maxDataLength))
    wire.client.send(new Uint8Array(0))
    expect(() => wire.client.send(new Uint8Array(maxDataLength + 1))).toThrow(
      expect.objectContaining({ code: 'data-too-long' }),
    )
    for (const none of [new ArrayBuffer(4), 'text', [1, 2], undefined] as unknown[]) {
      expect(() => wire.client.send(none as Uint8Array)).toThrow(
        expect.objectContaining({ code: 'invalid-data' }),
      )
    }
    wire.run(wire.now + 10)
    expect(wire.sent.client.at(-2)?.length).toBe(300)
    expect(wire.events.server.slice(1).map((event) => event.type === 'data' && event.data.length)).toEqual([
      maxDataLength,
      0,
    ])
  })
})
