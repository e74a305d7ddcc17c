import { encodeUtf8, SeededRandom, type SocketAddress } from '@str0m/sans-io'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { writeChannelData } from '../src/channel-data.ts'
import { parseStun, type StunMessage, TurnClient, type TurnDropReason, writeStun } from '../src/index.ts'
import { MAX_PEERS, MAX_PORTS_PER_HOST, MAX_WAITING_BYTES, MAX_WAITING_DATAGRAMS } from '../src/turn-peers.ts'
import { writeSendIndication } from '../src/turn-wire.ts'
import { at, receive, seededCrypto } from './support.ts'
import { BASE, drain, PEER, SERVER, TurnStage, USER } from './turn-support.ts'

const crypto = seededCrypto(99)

/** A Data indication, which differs from a Send indication in its method. */
function indication(peer: SocketAddress, data: Uint8Array): Uint8Array {
  const bytes = writeSendIndication(peer, data, crypto.randomBytes(12))
  bytes[1] = 0x17
  return bytes
}

function give(client: TurnClient, contents: Uint8Array, source = SERVER, now = 0): ReturnType<typeof drain> {
  client.handleInput(receive(now, { source, destination: BASE, contents: contents.slice() }))
  return drain(client)
}

/** What changes of the counts by `action`. */
function droppedBy(client: TurnClient, action: () => void): Partial<Record<TurnDropReason, number>> {
  const before = client.statistics.dropped
  action()
  const after = Object.entries(client.statistics.dropped) as [TurnDropReason, number][]
  return Object.fromEntries(
    after
      .map(([reason, count]) => [reason, count - before[reason]] as const)
      .filter(([, count]) => count > 0),
  )
}

/** A client whose peer has a channel. */
function talking(): TurnStage {
  const stage = TurnStage.allocated()
  stage.talk(1000, 50)
  stage.network.runFor(100)
  return stage
}

/** A client whose last request is in hand. */
function asking(prepare?: (stage: TurnStage) => void): [TurnStage, Uint8Array] {
  const stage = talking()
  prepare?.(stage)
  stage.send('x', at('198.51.100.77', 1))
  stage.client.handleInput({ kind: 'timeout', now: stage.network.now })
  const request = drain(stage.client).contents.at(-1)!
  expect(parseStun(request)).toMatchObject({ class: 'request', method: 8 })
  return [stage, request]
}

describe('S13: only from the server', () => {
  test('data, answers and anything else from elsewhere is dropped', () => {
    const { client, network } = talking()
    const data = writeChannelData(0x4000, Uint8Array.of(1), false)
    for (const source of [PEER, at(SERVER.address, 3479), at('192.0.2.54', 3478), BASE]) {
      expect(client.accepts(source)).toBe(false)
      expect(
        droppedBy(client, () => expect(give(client, data, source, network.now).events).toEqual([])),
      ).toEqual({
        source: 1,
      })
    }
    expect(give(client, data, SERVER, network.now).events).toMatchObject([{ type: 'datagram', source: PEER }])
  })
})

describe('S15: forged', () => {
  test('what is no message, or none that a client takes', () => {
    const { client, network } = talking()
    const transactionId = crypto.randomBytes(12)
    const cases: [TurnDropReason, Uint8Array][] = [
      ['malformed', Uint8Array.of()],
      ['malformed', Uint8Array.of(0x40, 0, 0)],
      ['malformed', Uint8Array.of(0x40, 0, 0, 1)],
      ['malformed', new Uint8Array(20)],
      ['malformed', Uint8Array.of(0x80, 0, 0, 0, 0, 0, 0, 0)],
      ['malformed', indication(PEER, new Uint8Array(5)).slice(0, 28)],
      ['unsupported', writeStun({ class: 'indication', method: 7, transactionId })],
      ['unsupported', writeStun({ class: 'request', method: 1, transactionId })],
      ['unsupported', writeStun({ class: 'indication', method: 1, transactionId })],
      ['transaction', writeStun({ class: 'success', method: 8, transactionId })],
      [
        'transaction',
        writeStun({ class: 'error', method: 8, transactionId, errorCode: { code: 437, reason: '' } }),
      ],
      ['peer', Uint8Array.of(0x40, 1, 0, 0)],
      ['peer', Uint8Array.of(0x4f, 0xff, 0, 0)],
      ['peer', indication(at('198.51.100.3', 6000), new Uint8Array(4))],
    ]
    for (const [reason, contents] of cases) {
      const dropped = droppedBy(client, () => {
        expect(give(client, contents, SERVER, network.now)).toMatchObject({ contents: [], events: [] })
      })
      expect([reason, dropped]).toEqual([reason, { [reason]: 1 }])
    }
    expect(client.state).toBe('allocated')
  })

  test('data of a host whose permission was refused, or has lapsed', () => {
    const stage = talking()
    const { client, network } = stage
    const refused = at('198.51.100.9', 1)
    stage.server.denied.add(refused.address)
    stage.send('x', refused)
    network.runFor(1000)
    const datagram = indication(refused, new Uint8Array(4))
    expect(droppedBy(client, () => give(client, datagram, SERVER, network.now))).toEqual({ peer: 1 })
    // the number of its channel is still kept from others
    network.runFor(1_150_000)
    expect(client.statistics).toMatchObject({ permissions: 0, channels: 0 })
    const data = writeChannelData(0x4000, Uint8Array.of(1), false)
    expect(droppedBy(client, () => give(client, data, SERVER, network.now))).toEqual({ peer: 1 })
    expect(stage.client.state).toBe('allocated')
  })

  test('a Data indication whose FINGERPRINT is wrong', () => {
    const { client, network } = talking()
    const whole = indication(PEER, new Uint8Array(4))
    const bytes = new Uint8Array(whole.length + 8)
    bytes.set(whole)
    bytes.set([0x80, 0x28, 0, 4, 1, 2, 3, 4], whole.length)
    bytes[3] = bytes.length - 20
    expect(droppedBy(client, () => give(client, bytes, SERVER, network.now))).toEqual({ malformed: 1 })
  })

  test('an answer that is not authenticated changes nothing, whatever it says', () => {
    const wrong = crypto.hmac('sha1', encodeUtf8('x'))
    const fields: Partial<StunMessage>[] = [
      { class: 'success' },
      ...[400, 403, 420, 437, 441, 443, 486, 500, 508].map((code) => ({
        class: 'error' as const,
        errorCode: { code, reason: '' },
      })),
    ]
    for (const field of fields) {
      for (const integrity of [undefined, wrong]) {
        const [{ client, network }, request] = asking()
        const transactionId = request.slice(8, 20)
        const forged = writeStun({ class: 'success', method: 8, transactionId, ...field }, { integrity })
        const before = client.statistics
        const dropped = droppedBy(client, () => {
          expect(give(client, forged, SERVER, network.now)).toMatchObject({ contents: [], events: [] })
        })
        expect([field, dropped]).toEqual([field, { integrity: 1 }])
        expect(client.statistics).toMatchObject({
          permissions: before.permissions,
          requestsSent: before.requestsSent,
        })
        expect(client.state).toBe('allocated')
      }
    }
  })

  test('an answer of another method is none', () => {
    const [{ client, network }, request] = asking()
    const forged = writeStun({ class: 'success', method: 9, transactionId: request.slice(8, 20) })
    expect(droppedBy(client, () => give(client, forged, SERVER, network.now))).toEqual({ transaction: 1 })
  })

  test('a 401 or 438 for each request: at most four of each kind, and the genuine answer still counts later', () => {
    for (const code of [401, 438]) {
      let count = 0
      const [{ client, network, server }, request] = asking()
      let pending = [request]
      let sent = 0
      while (pending.length > 0) {
        const answers = pending.flatMap((contents) => {
          const transactionId = contents.slice(8, 20)
          const [realm, nonce] = [`realm ${count}`, `nonce ${count++}`]
          const errorCode = { code, reason: '' }
          const forged = writeStun({ class: 'error', method: 8, transactionId, errorCode, realm, nonce })
          return give(client, forged, SERVER, network.now).contents
        })
        sent += answers.length
        pending = answers
      }
      expect(sent).toBe(3)
      expect(client.state).toBe('allocated')
      // the server asks for the genuine ones, and all goes on
      network.runFor(6000)
      const before = server.refusedData
      client.relay({ source: client.relayedAddresses[0]!, destination: PEER, contents: new Uint8Array(1) })
      network.runFor(3_600_000)
      expect(client.state).toBe('allocated')
      expect(server.refusedData).toBe(before)
    }
  })

  test('a 438 whose nonce is forged costs one more round trip', () => {
    const [{ client, network }, request] = asking()
    const transactionId = request.slice(8, 20)
    const errorCode = { code: 438, reason: '' }
    const forged = writeStun({ class: 'error', method: 8, transactionId, errorCode, nonce: 'forged' })
    client.handleInput(receive(network.now, { source: SERVER, destination: BASE, contents: forged }))
    network.runFor(1000)
    expect(client.statistics.permissions).toBe(2)
  })

  test('a challenge that asks for nothing: it is as though it had not come', () => {
    const [{ client, network }, request] = asking()
    const transactionId = request.slice(8, 20)
    const forged = writeStun({
      class: 'error',
      method: 8,
      transactionId,
      errorCode: { code: 401, reason: '' },
    })
    expect(droppedBy(client, () => give(client, forged, SERVER, network.now))).toEqual({ malformed: 1 })
  })
})

describe('S12, S16: bounds', () => {
  test('256 peers, and one of another host is dropped until they have lapsed', () => {
    const stage = TurnStage.allocated()
    const peers = Array.from({ length: MAX_PEERS + 10 }, (_, i) =>
      at(`198.51.${1 + (i >> 8)}.${i & 255}`, 6000),
    )
    const sendAll = (): void => {
      for (const peer of peers) stage.send('x', peer)
    }
    expect(droppedBy(stage.client, sendAll)).toEqual({ limit: peers.length - MAX_WAITING_DATAGRAMS })
    stage.network.runFor(1000)
    for (const peer of peers) {
      stage.send('x', peer)
      stage.network.runFor(100)
    }
    expect(droppedBy(stage.client, sendAll)).toEqual({ limit: 10 })
    expect(stage.client.statistics.permissions).toBe(MAX_PEERS)
    stage.network.runFor(1_000_000)
    expect(droppedBy(stage.client, () => stage.send('x'))).toEqual({})
    stage.network.runFor(1000)
    expect(stage.client.statistics.permissions).toBe(1)
  })

  test('a host of many ports takes no room from others, and all of its ports are answered', () => {
    const stage = TurnStage.allocated()
    stage.send('x')
    stage.network.runFor(1000)
    for (let i = 0; i < 20; i++) {
      for (let port = 1; port <= 500; port++) stage.send('x', at(PEER.address, port))
      stage.network.runFor(1000)
    }
    expect(stage.datagrams.length).toBe(10_001)
    expect(Object.values(stage.client.statistics.dropped).every((count) => count === 0)).toBe(true)
    for (let i = 0; i < 20; i++) {
      for (let port = 1; port <= 20; port++)
        for (let j = 0; j < 10; j++) stage.send('x', at(PEER.address, port))
      stage.network.runFor(1000)
    }
    expect(stage.client.statistics.channels).toBe(MAX_PORTS_PER_HOST)
    stage.send('x', at('198.51.100.3', 1))
    stage.network.runFor(1000)
    expect(stage.client.statistics).toMatchObject({ permissions: 2, permissionsRefused: 0 })
    stage.network.runFor(2_000_000)
    expect(stage.client.statistics).toMatchObject({ permissions: 0, channels: 0 })
  })

  test('a port that had to make room while its data waited gets one channel', () => {
    const stage = TurnStage.allocated()
    for (let i = 0; i < 10; i++) stage.send('x', at(PEER.address, 1))
    for (let port = 2; port <= 20; port++) stage.send('x', at(PEER.address, port))
    stage.network.runFor(1000)
    expect(stage.client.statistics.channels).toBe(0)
    stage.talk(2000, 100, at(PEER.address, 1))
    expect(stage.client.statistics.channels).toBe(1)
    expect([stage.server.badBindings, stage.server.log.filter((line) => / 4/.test(line)).length]).toEqual([
      0, 1,
    ])
  })

  test('256 permissions and 256 channels, which are all kept up', () => {
    const stage = TurnStage.allocated()
    const peers = Array.from({ length: 300 }, (_, i) => at(`198.51.${1 + (i >> 8)}.${i & 255}`, 6000))
    for (let round = 0; round < 40; round++) {
      for (const peer of peers) stage.send('x', peer)
      stage.network.runFor(20_000)
    }
    expect(stage.client.statistics).toMatchObject({ permissions: MAX_PEERS, channels: MAX_PEERS })
    expect(stage.server.badBindings).toBe(0)
    stage.network.runFor(2_000_000)
    expect(stage.client.statistics).toMatchObject({ permissions: 0, channels: 0 })
  })

  test('64 datagrams wait, and 64 KiB', () => {
    const stage = TurnStage.allocated()
    stage.server.silent = true
    for (let i = 0; i < 100; i++) stage.send('x')
    expect(stage.client.statistics.dropped.limit).toBe(100 - MAX_WAITING_DATAGRAMS)
    const other = TurnStage.allocated()
    const send = (length: number): boolean =>
      other.client.relay({ source: other.relayed, destination: PEER, contents: new Uint8Array(length) })
    send(MAX_WAITING_BYTES - 1000)
    send(1000)
    send(1)
    expect(other.client.statistics.dropped.limit).toBe(1)
    other.network.runFor(1000)
    expect(other.datagrams.length).toBe(2)
    send(1)
    expect(other.client.statistics.dropped.limit).toBe(1)
  })
})

describe('S17: IPv4-mapped addresses', () => {
  test('are the addresses that they stand for: of the server, of a peer that is sent to, of one that sends', () => {
    const stage = talking()
    const { client, network } = stage
    expect(client.accepts(at('::ffff:192.0.2.53', 3478))).toBe(true)
    const { requestsSent } = client.statistics
    stage.send('x', at('::ffff:198.51.100.2', 6000))
    stage.send('x', at('::ffff:c633:6402', 6000))
    network.runFor(1000)
    expect(client.statistics).toMatchObject({ permissions: 1, requestsSent })
    // XOR-PEER-ADDRESS with ::ffff:198.51.100.2 in it
    const mapped = indication(at('2001:db8::1', 6000), new Uint8Array(3))
    const plain = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 2]
    for (let i = 0; i < 16; i++) mapped[28 + i] = plain[i]! ^ mapped[4 + i]!
    expect(give(client, mapped, SERVER, network.now).events).toMatchObject([
      { type: 'datagram', source: PEER },
    ])
    const other = mapped.slice()
    other[43]! ^= 1
    expect(droppedBy(client, () => give(client, other, SERVER, network.now))).toEqual({ peer: 1 })
  })
})

describe('garbage', () => {
  const STATES = ['new', 'challenged', 'allocating', 'allocated', 'talking', 'releasing', 'ended'] as const

  function inState(state: (typeof STATES)[number], seed: number): TurnStage {
    const stage = new TurnStage({ seed, server: { modern: seed % 2 === 0 } })
    if (state === 'new') return stage
    stage.network.runFor(5)
    if (state === 'allocating') return stage
    stage.network.runFor(20)
    if (state === 'challenged') return stage
    stage.network.runUntil(() => stage.client.state === 'allocated')
    if (state === 'allocated') return stage
    stage.talk(600, 50)
    if (state === 'talking') return stage
    stage.client.close()
    if (state === 'ended') stage.network.runUntil(() => stage.ended !== undefined)
    return stage
  }

  test('any bytes in any state throw nothing, and what was genuine goes on', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...STATES),
        fc.nat(1000),
        fc.array(fc.tuple(fc.nat(5), fc.uint8Array({ maxLength: 80 })), { maxLength: 20 }),
        (state, seed, datagrams) => {
          const stage = inState(state, seed)
          for (const [kind, body] of datagrams) {
            const contents = new Uint8Array(20 + body.length - (body.length % 4))
            contents.set(body.subarray(0, contents.length - 20), 20)
            if (kind === 0) contents.set(body)
            else {
              const type = [0x0103, 0x0113, 0x0017, 0x0109, 0x4000][kind - 1]!
              contents.set([type >>> 8, type & 255, 0, contents.length - 20, 0x21, 0x12, 0xa4, 0x42])
            }
            const { network, client } = stage
            client.handleInput(receive(network.now, { source: SERVER, destination: BASE, contents }))
          }
          stage.network.runFor(2000)
          const isClosed = state === 'releasing' || state === 'ended'
          expect(stage.client.state).toBe(isClosed ? 'ended' : 'allocated')
        },
      ),
      { numRuns: 300 },
    )
  })

  test('genuine answers with bytes changed throw nothing, and the client still allocates or ends', () => {
    fc.assert(
      fc.property(
        fc.nat(1000),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (seed, changes) => {
          const stage = new TurnStage({ seed, server: { modern: seed % 2 === 0 } })
          const { client } = stage
          const handle = client.handleInput.bind(client)
          client.handleInput = (input) => {
            if (input.kind === 'receive') {
              const contents = input.contents.slice()
              for (const [where, value] of changes) contents[where % contents.length] = value
              handle({ ...input, contents })
            }
            handle(input)
          }
          stage.network.runUntil(() => client.state === 'allocated' || client.state === 'ended', 120_000)
          if (client.state === 'ended') return
          stage.talk(1000, 50)
          stage.network.runFor(1000)
          expect(stage.datagrams.length).toBeGreaterThanOrEqual(20)
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('S22: timers advance', () => {
  test('under random calls, silences and times', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 32 - 1), fc.array(fc.nat(9), { maxLength: 40 }), (seed, steps) => {
        const random = new SeededRandom(seed)
        const link = { latency: 20, loss: 0.2, duplicate: 0.1 }
        const stage = new TurnStage({ seed, link, server: { nonceLifetime: 200_000 } })
        const { client, network, server } = stage
        for (const step of steps) {
          // each run holds the client to rule 3, and fails where time does not pass
          network.runFor(random.integer(step === 0 ? 1_000_000 : 20_000))
          if (client.relayedAddresses.length === 0) continue
          if (step === 1) server.silent = random.chance(0.5)
          else if (step === 2) server.restart()
          else if (step === 3) client.handleInput({ kind: 'timeout', now: random.integer(1000) })
          else if (step === 4) server.errors.set(random.integer(10), 400 + random.integer(100))
          else if (step === 5) server.errors.clear()
          else if (step === 9 && random.chance(0.2)) client.close()
          else for (let i = 0; i < 10; i++) stage.send('x', at(PEER.address, 6000 + random.integer(3)))
        }
        network.runFor(2_000_000)
        expect(server.badBindings).toBe(0)
      }),
      { numRuns: 100 },
    )
  })
})

describe('S23: transaction ids', () => {
  test('come from the provider, and the same seed gives the same bytes', () => {
    const run = (seed: number): string => {
      const client = new TurnClient({ server: SERVER, base: BASE, ...USER, crypto: seededCrypto(seed) })
      client.handleInput({ kind: 'timeout', now: 0 })
      return drain(client).contents.join()
    }
    expect(run(1)).toBe(run(1))
    expect(run(1)).not.toBe(run(2))
  })
})
