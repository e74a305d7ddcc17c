import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { NEVER } from '@str0m/sans-io'
import { CookieExchange } from '@str0m/dtls'
import { drain, makeClient, makeServer, seededCrypto, Wire } from './support.ts'

function fixture(browser: string): Uint8Array[] {
  const text = readFileSync(new URL(`fixtures/${browser}-dtls-clienthello.hex`, import.meta.url), 'utf8')
  return text
    .split(/\s+/)
    .filter((line) => line !== '')
    .map((line) => new Uint8Array(Buffer.from(line, 'hex')))
}

function connected(): Wire {
  const wire = new Wire()
  wire.connect()
  return wire
}

describe("browsers' first flights", () => {
  for (const browser of ['chromium', 'firefox']) {
    for (const order of ['in order', 'reversed']) {
      it(`answers ${browser}, fragments ${order}, with DTLS 1.2`, () => {
        const server = makeServer()
        const datagrams = fixture(browser)
        if (order === 'reversed') datagrams.reverse()
        for (const contents of datagrams) server.handleInput({ kind: 'receive', now: 0, contents })
        const [first] = drain(server).datagrams
        expect(first?.[0]).toBe(22)
        expect(first?.[13]).toBe(2)
        expect([first?.[25], first?.[26]]).toEqual([0xfe, 0xfd])
        expect(server.state).toBe('handshaking')
      })
    }
  }
})

describe('S1: a ClientHello from elsewhere', () => {
  it('without a usable cipher suite does not deny the call, at any step', () => {
    const [genuine] = drainedHello()
    const forged = genuine!.slice()
    // after version, random, session id and cookie: every suite becomes NULL
    const suitesAt = 25 + 2 + 32 + 1 + 1
    forged.set(new Uint8Array(forged[suitesAt + 1]!), suitesAt + 2)
    const wire = new Wire(undefined, undefined, (contents, to) =>
      to === 'server'
        ? [
            { contents: forged.slice(), delay: 0.5 },
            { contents, delay: 1 },
            { contents: forged.slice(), delay: 1.5 },
          ]
        : [{ contents, delay: 1 }],
    )
    wire.connect()
    expect([wire.client.state, wire.server.state]).toEqual(['connected', 'connected'])
    expect(wire.server.statistics.dropped['no-common-cipher-suite']).toBeGreaterThan(0)
  })
})

function drainedHello(): Uint8Array[] {
  const client = makeClient({}, 99)
  client.start(0)
  return drain(client).datagrams
}

describe('S7: what is not authentic, after the handshake', () => {
  it('does not move the replay window', () => {
    const wire = connected()
    wire.client.send(new Uint8Array([1]))
    const [genuine] = drain(wire.client).datagrams
    const forged = genuine!.slice()
    forged[6] = 0x7f
    wire.server.handleInput({ kind: 'receive', now: wire.now, contents: forged })
    wire.server.handleInput({ kind: 'receive', now: wire.now, contents: genuine!.slice() })
    wire.server.handleInput({ kind: 'receive', now: wire.now, contents: genuine!.slice() })
    expect(drain(wire.server).events).toEqual([{ type: 'data', data: new Uint8Array([1]) }])
    expect(wire.server.statistics.dropped).toMatchObject({ 'bad-record-mac': 1, replayed: 1 })
  })

  it('does not close: alerts in plaintext, before and after', () => {
    const alert = new Uint8Array([21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40])
    const wire = new Wire(undefined, undefined, (contents) => [
      { contents: alert.slice(), delay: 0.5 },
      { contents, delay: 1 },
    ])
    wire.connect()
    wire.client.handleInput({ kind: 'receive', now: wire.now, contents: alert.slice() })
    expect([wire.client.state, wire.server.state]).toEqual(['connected', 'connected'])
    expect(wire.client.statistics.dropped['plaintext-after-handshake']).toBeGreaterThan(0)
    expect(wire.server.statistics.dropped['unauthenticated-alert']).toBeGreaterThan(0)
  })
})

describe('S9: an address that is not proven', () => {
  it('gets less than it sent', () => {
    const server = makeServer({ cookie: 'required' })
    const [hello] = drainedHello()
    server.handleInput({ kind: 'receive', now: 0, contents: hello!.slice() })
    const { datagrams, at } = drain(server)
    expect(datagrams.length).toBe(1)
    expect(datagrams[0]!.length).toBeLessThan(hello!.length)
    expect(at).toBe(NEVER)
  })

  it('is proven before a machine is made, and the machine goes on', () => {
    const exchange = new CookieExchange({ crypto: seededCrypto(5) })
    const client = makeClient()
    client.start(0)
    const verdict = exchange.handleDatagram(drain(client).datagrams[0]!, '192.0.2.1:5000')
    if (verdict.kind !== 'reply') throw new Error(verdict.kind)
    client.handleInput({ kind: 'receive', now: 1, contents: verdict.contents })
    const [second] = drain(client).datagrams
    expect(exchange.handleDatagram(second!, '192.0.2.2:5000').kind).toBe('reply')
    expect(exchange.handleDatagram(second!, '192.0.2.1:5000').kind).toBe('verified')
    const server = makeServer({ cookie: exchange, peerAddress: '192.0.2.1:5000' })
    server.handleInput({ kind: 'receive', now: 1, contents: second! })
    const wire = new Wire(client, server)
    wire.connect()
    expect(server.state).toBe('connected')
  })
})

describe('a CookieExchange', () => {
  it('answers nothing but the start of a ClientHello, and never with more than came', () => {
    const exchange = new CookieExchange()
    const [hello] = drainedHello()
    const from = '192.0.2.1:5000'
    for (const [at, value] of [
      [0, 23],
      [1, 3],
      [4, 1],
      [13, 2],
      [21, 1],
    ] as const) {
      const other = hello!.slice()
      other[at] = value
      expect(exchange.handleDatagram(other, from), `byte ${at}`).toEqual({ kind: 'drop' })
    }
    // a first fragment that holds no more than the random and no cookie is shorter than the answer would be
    const short = hello!.slice(0, 25 + 36)
    short[12] = short.length - 13
    short[24] = 36
    expect(exchange.handleDatagram(short, from).kind).toBe('reply')
    const shorter = hello!.slice(0, 25 + 34)
    shorter[12] = shorter.length - 13
    shorter[24] = 34
    expect(exchange.handleDatagram(shorter, from)).toEqual({ kind: 'drop' })
    expect(exchange.handleDatagram(Buffer.from(hello!), { address: '192.0.2.1', port: 5000 }).kind).toBe(
      'reply',
    )
    expect(() => exchange.handleDatagram(hello!, 'nowhere')).toThrow(
      expect.objectContaining({ code: 'invalid-address' }),
    )
  })
})

describe('S11: short datagrams', () => {
  it('of every length and type are dropped by either role, in any state', () => {
    const wire = connected()
    for (const machine of [makeServer(), makeClient(), wire.client, wire.server]) {
      for (let length = 0; length <= 64; length++) {
        for (const type of [20, 21, 22, 23]) {
          const contents = new Uint8Array(length).fill(1)
          contents.set(
            [type, 0xfe, 0xfd, 0, length % 3, 0, 0, 0, 0, 9, 9, 0, Math.max(0, length - 13)].slice(0, length),
          )
          machine.handleInput({ kind: 'receive', now: wire.now, contents })
        }
      }
      expect(machine.state).not.toBe('closed')
    }
  })
})

describe('S23 and determinism', () => {
  it('all bytes come from the provider', () => {
    const [one, two] = [new Wire(), new Wire()]
    one.connect()
    two.connect()
    expect(one.sent).toEqual(two.sent)
    const other = new Wire(makeClient({}, 11))
    other.connect()
    expect(other.sent.client).not.toEqual(one.sent.client)
  })
})

describe('closing', () => {
  it('is told by close_notify, and nothing flows after', () => {
    const wire = connected()
    wire.client.close()
    wire.run(wire.now + 10)
    expect(wire.events.server.at(-1)).toEqual({ type: 'closed', reason: 'close-notify' })
    expect(wire.events.client.at(-1)).toEqual({ type: 'closed', reason: 'local-close' })
    expect(() => wire.client.send(new Uint8Array(1))).toThrow(
      expect.objectContaining({ code: 'not-connected' }),
    )
  })
})

describe('what is no bytes', () => {
  it('is refused where it is given, and changes nothing', () => {
    const wire = connected()
    const [text, words] = ['text' as never, new Uint16Array(4) as never]
    const calls: [() => unknown, string][] = [
      [() => wire.client.send(text), 'invalid-data'],
      [() => wire.client.send(words), 'invalid-data'],
      [() => wire.client.sendInPlace(words), 'invalid-data'],
      [() => wire.client.exportKeyingMaterial('label', text, 10), 'invalid-context'],
      [() => wire.client.exportKeyingMaterial(5 as never, undefined, 10), 'invalid-label'],
      [() => wire.client.handleInput({ kind: 'receive', now: 1e9, contents: text }), 'invalid-input'],
      [() => wire.client.handleInput({ kind: 'receive', now: 1e9 } as never), 'invalid-input'],
      [() => wire.client.handleInput({ kind: 'data', now: 1e9 } as never), 'invalid-input'],
    ]
    const before = wire.client.statistics
    for (const [call, code] of calls) expect(call).toThrow(expect.objectContaining({ code }))
    expect(wire.client.statistics).toEqual(before)
    expect(wire.client.pollOutput().kind).toBe('timeout')
  })
})

describe('options', () => {
  it('are refused where they make no sense', () => {
    const codes: [() => unknown, string][] = [
      [() => makeClient({ mtu: 10 }), 'invalid-mtu'],
      [() => makeClient({ handshakeTimeout: 0 }), 'invalid-time'],
      [
        () => makeClient({ remoteFingerprints: [{ algorithm: 'sha-1', value: 'AA' }] }),
        'unsupported-fingerprint',
      ],
      [
        () => makeClient({ remoteFingerprints: [{ algorithm: 'sha-256', value: 'AA' }] }),
        'invalid-fingerprint',
      ],
      [() => makeServer({ cookie: new CookieExchange() }), 'missing-peer-address'],
      [() => makeServer({ cookie: new CookieExchange(), peerAddress: 'nowhere' }), 'invalid-address'],
      [() => makeClient({ srtpProfiles: ['NULL_HMAC_SHA1_80' as never] }), 'invalid-srtp-profile'],
      [() => makeClient({ role: 'both' as never }), 'invalid-role'],
      [() => makeClient({ certificate: undefined as never }), 'invalid-certificate'],
      [() => makeClient({}).start(Number.NaN), 'invalid-time'],
      [() => makeClient({}).start(Number.POSITIVE_INFINITY), 'invalid-time'],
      [() => makeClient({}).handleInput({ kind: 'timeout', now: undefined as never }), 'invalid-time'],
      [() => makeServer({ requestClientCertificate: false }), 'fingerprint-without-certificate'],
    ]
    for (const [make, code] of codes) expect(make).toThrow(expect.objectContaining({ code }))
  })
})
