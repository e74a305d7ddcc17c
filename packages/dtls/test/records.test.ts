import type { Aead, CryptoProvider } from '@str0m/crypto'
import type { Dtls } from '@str0m/dtls'
import { describe, expect, it, vi } from 'vitest'
import { CIPHER_SUITES, type CipherSuite } from '../src/cipher-suites.ts'
import type { PendingSession } from '../src/handshake/session.ts'
import { ReadEpoch, WriteEpoch } from '../src/record-protection.ts'
import { ReplayWindow, REPLAY_WINDOW_SIZE } from '../src/replay-window.ts'
import { ContentType, DTLS_1_2, HandshakeType } from '../src/wire/protocol.ts'
import { emptyRecordHeader, readRecord, SEQUENCE_LIMIT } from '../src/wire/record.ts'
import { ScriptedClient } from './scripted.ts'
import { CLIENT_CERTIFICATE, drain, makeServer, seededCrypto, Wire } from './support.ts'

const crypto = seededCrypto(3)

function epochs(suite: CipherSuite, sequence = 0): [WriteEpoch, ReadEpoch] {
  const keys = { key: crypto.randomBytes(suite.keyLength), iv: crypto.randomBytes(suite.ivLength) }
  const protection = { crypto, suite, keys }
  return [new WriteEpoch(protection, sequence), new ReadEpoch(protection)]
}

/** A provider that notes each nonce that something is sealed under. */
function recording(nonces: string[]): CryptoProvider {
  const base = seededCrypto(20)
  return new Proxy(base, {
    get(target, name): unknown {
      if (name === 'aead') {
        return (...args: Parameters<CryptoProvider['aead']>): Aead => {
          const aead = target.aead(...args)
          return {
            seal: (nonce, ...rest) => {
              nonces.push(Buffer.from(nonce).toString('hex'))
              aead.seal(nonce, ...rest)
            },
            open: (...opened) => aead.open(...opened),
          }
        }
      }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

describe('S5: nonces', () => {
  for (const suite of CIPHER_SUITES.filter(({ authentication }) => authentication === 'ec')) {
    it(`are the epoch and the sequence number, each once: ${suite.name}`, () => {
      const nonces: string[] = []
      const server = makeServer({ mtu: 16_384, crypto: recording(nonces) })
      const client = new ScriptedClient(server)
      client.handshake({ certificate: CLIENT_CERTIFICATE, cipherSuites: [suite.id] })
      for (let i = 0; i < 300; i++) server.send(new Uint8Array(3))
      server.close()
      // Finished, data, close_notify
      expect(nonces.length).toBe(302)
      const first = BigInt(`0x${nonces[0]!}`)
      for (const [i, nonce] of nonces.entries()) {
        const salt = BigInt(`0x${nonces[0]!.slice(0, 8)}`)
        const gcm = (salt << 64n) | (1n << 48n) | BigInt(i)
        expect(BigInt(`0x${nonce}`)).toBe(suite.ivLength === 4 ? gcm : first ^ BigInt(i))
      }
    })
  }

  it('end with the last sequence number: not one more record is made', () => {
    for (const suite of CIPHER_SUITES) {
      const [write, read] = epochs(suite, SEQUENCE_LIMIT - 1)
      const datagram = new Uint8Array(write.overhead + 1)
      write.seal(ContentType.applicationData, DTLS_1_2, new Uint8Array([7]), datagram, 0)
      expect([...datagram.subarray(3, 11)]).toEqual([0, 1, 255, 255, 255, 255, 255, 255])
      const header = emptyRecordHeader()
      expect(readRecord(datagram, 0, header)).toBe(true)
      expect(read.open(datagram, header)).toEqual(new Uint8Array([7]))
      expect(write.exhausted).toBe(true)
      const again = (): number =>
        write.seal(ContentType.applicationData, DTLS_1_2, new Uint8Array([7]), datagram, 0)
      expect(again).toThrow(expect.objectContaining({ code: 'internal' }))
    }
  })

  it('end a connection politely: send throws, nothing is sent, and close works', () => {
    const wire = new Wire()
    wire.connect()
    const exhausted = vi.spyOn(WriteEpoch.prototype, 'exhausted', 'get').mockReturnValue(true)
    try {
      expect(() => wire.client.send(new Uint8Array(1))).toThrow(
        expect.objectContaining({ code: 'sequence-exhausted' }),
      )
      wire.client.close()
      expect(drain(wire.client)).toMatchObject({
        datagrams: [],
        events: [{ type: 'closed', reason: 'local-close' }],
      })
    } finally {
      exhausted.mockRestore()
    }
  })
})

describe('S4: the replay window', () => {
  it('takes each number once, however they come, and none that is too old to tell', () => {
    const window = new ReplayWindow()
    const take = (sequence: number): boolean => {
      const accepted = window.accepts(sequence)
      if (accepted) window.commit(sequence)
      return accepted
    }
    for (const sequence of [0, 5, 3, 31, 32, 600, 599, 64_000, 63_999, SEQUENCE_LIMIT - 1]) {
      expect([sequence, take(sequence), take(sequence)]).toEqual([sequence, true, false])
    }
    const newest = SEQUENCE_LIMIT - 1
    expect(window.accepts(newest - REPLAY_WINDOW_SIZE)).toBe(false)
    expect(window.accepts(newest - REPLAY_WINDOW_SIZE + 1)).toBe(true)
  })

  it('is a record’s own: any byte of header or body that changes makes it nobody’s', () => {
    for (const suite of CIPHER_SUITES) {
      const [write, read] = epochs(suite)
      const datagram = new Uint8Array(write.overhead + 4)
      write.seal(ContentType.applicationData, DTLS_1_2, new Uint8Array(4), datagram, 0)
      const header = emptyRecordHeader()
      for (let at = 0; at < datagram.length; at++) {
        const forged = datagram.slice()
        forged[at]! ^= 0x10
        const opened = readRecord(forged, 0, header) ? read.open(forged, header) : undefined
        expect(opened, `${suite.name}, byte ${at}`).toBeUndefined()
      }
      readRecord(datagram, 0, header)
      expect(read.open(datagram, header)).toEqual(new Uint8Array(4))
    }
  })
})

describe('under the keys, after the handshake', () => {
  function connected(): { client: ScriptedClient; session: PendingSession; server: Dtls } {
    const server = makeServer({ mtu: 16_384 })
    const client = new ScriptedClient(server)
    client.handshake({ certificate: CLIENT_CERTIFICATE })
    return { client, session: client.session!, server }
  }

  /** What the server says to a record under the keys: alerts decrypted. */
  function say(type: number, bytes: number[]): { alerts: number[][]; events: unknown[]; dropped: object } {
    const { client, session, server } = connected()
    const { datagrams, events } = client.send(session.write, type, new Uint8Array(bytes))
    const alerts: number[][] = []
    const header = emptyRecordHeader()
    for (const datagram of datagrams) {
      readRecord(datagram, 0, header)
      const plaintext = session.read.open(datagram, header)
      if (plaintext !== undefined && header.type === ContentType.alert) alerts.push([...plaintext])
    }
    const dropped = Object.fromEntries(
      Object.entries(server.statistics.dropped).filter(([, count]) => count > 0),
    )
    return { alerts, events, dropped }
  }

  it('a renegotiation is refused with no_renegotiation, and the connection goes on', () => {
    for (const type of [HandshakeType.clientHello, HandshakeType.helloRequest]) {
      expect(say(ContentType.handshake, [type, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0])).toEqual({
        alerts: [[1, 100]],
        events: [],
        dropped: { renegotiation: 1 },
      })
    }
    const { client, session } = connected()
    const hello = new Uint8Array([1, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0])
    client.send(session.write, ContentType.handshake, hello)
    const { events } = client.send(session.write, ContentType.applicationData, new Uint8Array([5]))
    expect(events).toEqual([{ type: 'data', data: new Uint8Array([5]) }])
  })

  it('alerts are acted on as their level says', () => {
    expect(say(ContentType.alert, [2, 80]).events).toEqual([
      { type: 'closed', reason: 'fatal-alert', alert: 'internal_error' },
    ])
    expect(say(ContentType.alert, [2, 200]).events).toEqual([
      { type: 'closed', reason: 'fatal-alert', alert: 'alert_200' },
    ])
    expect(say(ContentType.alert, [1, 90])).toEqual({ alerts: [], events: [], dropped: {} })
    expect(say(ContentType.alert, [1, 0])).toMatchObject({
      alerts: [[1, 0]],
      events: [{ type: 'closed', reason: 'close-notify' }],
    })
    expect(say(ContentType.alert, [1])).toMatchObject({ events: [], dropped: { 'malformed-record': 1 } })
  })

  it('what has no place there is dropped and counted', () => {
    expect(say(ContentType.changeCipherSpec, [1]).dropped).toEqual({ 'unexpected-record': 1 })
    expect(say(ContentType.handshake, [HandshakeType.certificate, 0, 0, 0]).dropped).toEqual({
      'unexpected-message': 1,
    })
  })

  it('a Finished that comes again draws the last flight again, not faster than the timer allows', () => {
    const { client, session } = connected()
    const { write, finished } = session
    expect(client.send(write, ContentType.handshake, finished.bytes).datagrams).toEqual([])
    expect(client.send(write, ContentType.handshake, finished.bytes, 60).datagrams.length).toBe(1)
    expect(client.send(write, ContentType.handshake, finished.bytes, 70).datagrams).toEqual([])
    client.send(write, ContentType.applicationData, new Uint8Array(1), 80)
    expect(client.send(write, ContentType.handshake, finished.bytes, 500).datagrams).toEqual([])
  })
})
