import { type LinkOptions, Pair } from '@str0m/netem'
import { ByteWriter, readU16, SeededRandom, UsageError } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import {
  type ChannelOptions,
  channelParameters,
  type DataChannelEvent,
  DataChannels,
  SctpAssociation,
  type SctpOptions,
} from '../src/index.ts'
import { ChunkType, COMMON_HEADER, ParameterType } from '../src/wire/constants.ts'
import { Ppid, writeOpen } from '../src/wire/dcep.ts'
import { readInit, writeInit } from '../src/wire/init.ts'
import { makeChunk } from '../src/wire/packet.ts'
import { TlvIterator } from '../src/wire/tlv.ts'
import { chunksOf, packet, peerInit } from './hand-peer.ts'
import { numbered, numberOf, receive, seededCrypto } from './support.ts'

function makeChannels(seed: number, link: LinkOptions = { latency: 10 }, options: SctpOptions = {}) {
  const a = new DataChannels({ role: 'client', crypto: seededCrypto(seed * 2), ...options })
  const b = new DataChannels({ role: 'server', crypto: seededCrypto(seed * 2 + 1), ...options })
  const pair = new Pair(a, b, { seed, link, receive })
  a.connect(0)
  b.connect(0)
  return { a, b, pair }
}

type Kind = DataChannelEvent['type']
function of<K extends Kind>(
  events: readonly { readonly event: DataChannelEvent }[],
  type: K,
): Extract<DataChannelEvent, { type: K }>[] {
  return events
    .map(({ event }) => event)
    .filter((event): event is Extract<DataChannelEvent, { type: K }> => event.type === type)
}

function codeOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof UsageError) return error.code
    throw error
  }
  return 'none'
}

describe('data channels', () => {
  it('open in-band from both sides before the association is up, with their parameters', () => {
    const { a, b, pair } = makeChannels(1)
    const kinds: ChannelOptions[] = [
      {},
      { ordered: false },
      { maxRetransmits: 0, protocol: 'p', priority: 512 },
      { ordered: false, maxPacketLifeTime: 300 },
    ]
    const ids = kinds.map((options, i) => a.open(pair.now, `a${i}`, options))
    expect(ids).toEqual([0, 2, 4, 6])
    expect(b.open(pair.now, 'ü')).toBe(1)
    pair.runUntil(() => of(pair.a.events, 'channelOpen').length === 5)
    pair.runUntil(() => of(pair.b.events, 'channelOpen').length === 5)
    const opened = of(pair.b.events, 'channelOpen').map((event) => event.parameters)
    expect(opened.find((parameters) => parameters.label === 'a2')).toEqual({
      label: 'a2',
      protocol: 'p',
      priority: 512,
      ordered: true,
      maxRetransmits: 0,
    })
    expect(opened.find((parameters) => parameters.label === 'a3')).toMatchObject({
      ordered: false,
      maxPacketLifeTime: 300,
    })
  })

  it('carry strings, bytes and empty messages, 1 byte to 256 KiB and beyond', () => {
    const { a, pair } = makeChannels(2)
    const id = a.open(0, 'x')
    const sent: (string | Uint8Array)[] = ['', new Uint8Array(0), 'grün', Uint8Array.of(7)]
    for (const size of [1159, 1160, 1161, 65_536, 262_144, 1 << 20]) sent.push(numbered(size, size))
    for (const data of sent) expect(a.send(pair.now, id, data)).toBe(true)
    pair.runUntil(() => of(pair.b.events, 'channelData').length === sent.length)
    const received = of(pair.b.events, 'channelData').map((event) => event.data)
    for (const [i, data] of received.entries()) {
      if (typeof data === 'string') expect(data).toBe(sent[i])
      else expect(Buffer.compare(data, sent[i] as Uint8Array)).toBe(0)
    }
  })

  it('negotiated ones send nothing of their own', () => {
    const { a, b, pair } = makeChannels(3)
    a.open(0, 'n', { negotiated: true, id: 7 })
    pair.runUntil(() => a.isConnected && b.isConnected)
    b.open(pair.now, 'n', { negotiated: true, id: 7, ordered: false })
    expect(of(pair.a.events, 'channelOpen')).toHaveLength(1)
    b.send(pair.now, 7, 'hello')
    pair.runUntil(() => of(pair.a.events, 'channelData').length === 1)
    expect(of(pair.b.events, 'channelOpen')).toHaveLength(1)
  })

  it('close with nothing sent lost, from either side, and use ids again, under loss', () => {
    const { a, b, pair } = makeChannels(4, { latency: 15, loss: 0.05, reorder: 0.05 })
    let expected = 0
    for (let round = 0; round < 60; round++) {
      const id = a.open(pair.now, `r${round}`, { id: (round % 3) * 2 })
      for (let i = 0; i < 5; i++) a.send(pair.now, id, numbered(round * 5 + i, 3000))
      expected += 5
      const closed = of(pair.a.events, 'channelClose').length
      if (round % 2 === 0) {
        a.close(pair.now, id)
      } else {
        pair.runUntil(() => of(pair.b.events, 'channelData').length === expected)
        b.close(pair.now, id)
      }
      pair.runUntil(() => of(pair.a.events, 'channelClose').length > closed)
      pair.runUntil(() => of(pair.b.events, 'channelClose').length > closed)
    }
    const numbers = of(pair.b.events, 'channelData').map((event) => numberOf(event.data as Uint8Array))
    expect(numbers).toEqual(Array.from({ length: expected }, (_, i) => i))
  })

  it.each([
    ['before the peer takes it up', false],
    ['while it is open', true],
  ])('closed here %s: what the peer has written is not delivered', (_, isOpen) => {
    const { a, b, pair } = makeChannels(7)
    pair.runUntil(() => a.isConnected && b.isConnected)
    const id = a.open(pair.now, 'x')
    if (isOpen) pair.runUntil(() => of(pair.a.events, 'channelOpen').length === 1)
    else pair.runUntil(() => of(pair.b.events, 'channelOpen').length === 1)
    for (let i = 0; i < 3; i++) b.send(pair.now, id, `${i}`)
    a.close(pair.now, id)
    pair.runUntil(() => of(pair.a.events, 'channelClose').length === 1)
    expect(of(pair.a.events, 'channelData')).toEqual([])
    expect(of(pair.a.events, 'channelOpen')).toHaveLength(isOpen ? 1 : 0)
    expect(a.statistics).toMatchObject({ discardedMessages: 3, invalidMessages: 0 })
  })

  it('closed in the midst of what has come: nothing of it follows', () => {
    const { a, b, pair } = makeChannels(8)
    pair.runUntil(() => a.isConnected && b.isConnected)
    const id = b.open(pair.now, 'x')
    b.send(pair.now, id, 'first')
    const contents: Uint8Array[] = []
    for (let output = b.pollOutput(); output.kind !== 'timeout'; output = b.pollOutput())
      if (output.kind === 'transmit') contents.push(output.contents)
    for (const each of contents) a.handleInput({ kind: 'receive', now: pair.now, contents: each })
    const events: string[] = []
    for (let output = a.pollOutput(); output.kind !== 'timeout'; output = a.pollOutput()) {
      if (output.kind !== 'event') continue
      events.push(output.event.type)
      if (output.event.type === 'channelOpen') a.close(pair.now, id)
    }
    expect(events).toContain('channelOpen')
    expect(events).not.toContain('channelData')
    expect(a.statistics.discardedMessages).toBe(1)
  })

  it('close many at once, and before the association is up', () => {
    const { a, pair } = makeChannels(5, { latency: 10 }, { maxPacketSize: 576 })
    const ids = Array.from({ length: 700 }, (_, i) => a.open(0, `c${i}`))
    a.close(0, ids[0]!)
    pair.runUntil(() => of(pair.a.events, 'channelOpen').length >= 699)
    for (const id of ids.slice(1)) a.close(pair.now, id)
    pair.runUntil(() => of(pair.a.events, 'channelClose').length === 700)
    pair.runUntil(() => of(pair.b.events, 'channelClose').length === 700)
    expect(a.open(pair.now, 'again')).toBe(1400)
  })

  it('give up what is late or lost, and go on: by lifetime and by retransmissions', () => {
    const { a, b, pair } = makeChannels(9, { latency: 20 })
    const kinds: ChannelOptions[] = [{ maxRetransmits: 0 }, { maxPacketLifeTime: 100, ordered: false }]
    const ids = kinds.map((options) => a.open(0, 'p', options))
    pair.runUntil(() => of(pair.a.events, 'channelOpen').length === 2)
    pair.aToB.addOutage(pair.now, pair.now + 1000)
    for (let i = 0; i < 20; i++) for (const id of ids) a.send(pair.now, id, numbered(i, 10_000))
    pair.runFor(3000)
    for (const id of ids) a.send(pair.now, id, 'later')
    pair.runUntil(
      () => of(pair.b.events, 'channelData').filter((event) => event.data === 'later').length === 2,
    )
    expect(a.statistics.messagesAbandoned).toBeGreaterThan(10)
    expect(b.statistics.heldBytes).toBe(0)
    expect(a.bufferedAmount(ids[0]!)).toBe(0)
  })

  it('a lifetime of 0: what can go at once goes, and nothing goes twice', () => {
    const { a, pair } = makeChannels(10, { latency: 20 })
    const id = a.open(0, 'p', { maxPacketLifeTime: 0 })
    a.send(0, id, 'too early')
    pair.runUntil(() => of(pair.a.events, 'channelOpen').length === 1)
    a.send(pair.now, id, 'at once')
    pair.runFor(1000)
    pair.aToB.addOutage(pair.now, pair.now + 100)
    a.send(pair.now, id, 'lost')
    pair.runFor(3000)
    a.send(pair.now, id, 'at once again')
    pair.runFor(3000)
    expect(of(pair.b.events, 'channelData').map(({ data }) => data)).toEqual(['at once', 'at once again'])
    expect(a.statistics.messagesAbandoned).toBe(2)
  })

  it('says no instead of growing, and says when there is room', () => {
    const { a, pair } = makeChannels(6, { latency: 10 }, { sendBuffer: 100_000 })
    const id = a.open(0, 'x')
    a.setBufferedAmountLowThreshold(id, 20_000)
    let taken = 0
    while (a.send(pair.now, id, new Uint8Array(10_000))) taken++
    expect(taken).toBeLessThanOrEqual(10)
    expect(a.bufferedAmount(id)).toBeGreaterThan(80_000)
    pair.runUntil(() => of(pair.a.events, 'bufferedAmountLow').length === 1)
    expect(a.bufferedAmount(id)).toBeLessThanOrEqual(20_000)
    expect(a.send(pair.now, id, new Uint8Array(10_000))).toBe(true)
  })

  it('bufferedAmount is what the user has sent: nothing that opens a channel, nothing for an empty message', () => {
    const { a, b, pair } = makeChannels(11)
    const id = a.open(0, 'label')
    a.send(0, id, '')
    expect(a.bufferedAmount(id)).toBe(0)
    pair.runUntil(() => of(pair.b.events, 'channelData').length === 1)
    expect(b.bufferedAmount(id)).toBe(0)
    b.send(pair.now, id, 'back')
    pair.runFor(1000)
    expect(of(pair.a.events, 'bufferedAmountLow')).toEqual([])
    expect(of(pair.b.events, 'bufferedAmountLow')).toEqual([{ type: 'bufferedAmountLow', id }])
    a.send(pair.now, id, 'grün')
    a.send(pair.now, id, new Uint8Array(0))
    expect(a.bufferedAmount(id)).toBe(5)
    pair.runFor(1000)
    expect(of(pair.a.events, 'bufferedAmountLow')).toEqual([{ type: 'bufferedAmountLow', id }])
  })

  it('says when there is room, to each that it said no to, whoever filled the buffer', () => {
    const { a, pair } = makeChannels(12, { latency: 10, rate: 1_000_000 }, { sendBuffer: 100_000 })
    const ids = ['bulk', 'small', 'large', 'larger than all'].map((label) => a.open(0, label))
    const [bulk, small, large, largest] = ids as [number, number, number, number]
    pair.runUntil(() => of(pair.a.events, 'channelOpen').length === 4)
    const started = pair.a.events.length
    expect(a.send(pair.now, bulk, new Uint8Array(100_000))).toBe(true)
    expect(a.send(pair.now, small, new Uint8Array(1000))).toBe(false)
    expect(a.send(pair.now, large, new Uint8Array(90_000))).toBe(false)
    expect(a.send(pair.now, largest, new Uint8Array(200_000))).toBe(false)
    const told = () => of(pair.a.events.slice(started), 'bufferedAmountLow').map(({ id }) => id)
    for (const [id, most] of [
      [small, 50_000],
      [large, 10_000],
    ] as const) {
      pair.runUntil(() => told().includes(id))
      expect(a.bufferedAmount(bulk)).toBeLessThanOrEqual(most)
      expect(a.bufferedAmount(bulk)).toBeGreaterThan(most - 5000)
    }
    pair.runUntil(() => told().length === 4)
    expect(told().slice(0, 2)).toEqual([small, large])
    expect(a.send(pair.now, largest, new Uint8Array(200_000))).toBe(true)
    // said once
    pair.runFor(3000)
    expect(new Set(told())).toEqual(new Set(ids))
    expect(told()).toHaveLength(5)
  })

  it('says so too where it was the number of messages', () => {
    const { a, pair } = makeChannels(13)
    const [first, second] = [a.open(0, 'x'), a.open(0, 'y')]
    pair.runUntil(() => of(pair.a.events, 'channelOpen').length === 2)
    while (a.send(pair.now, first, ''));
    expect(a.send(pair.now, second, '')).toBe(false)
    pair.runUntil(() => of(pair.a.events, 'bufferedAmountLow').length === 2)
    expect(of(pair.a.events, 'bufferedAmountLow').map(({ id }) => id)).toEqual([first, second])
    expect(a.send(pair.now, second, '')).toBe(true)
  })

  it('throws for the mistakes of the caller', () => {
    const { a, b, pair } = makeChannels(7)
    for (const role of [undefined, 'both']) {
      const options = { role: role as 'client' }
      expect(codeOf(() => new DataChannels(options))).toBe('invalid-option')
    }
    for (const now of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(codeOf(() => a.handleInput({ kind: 'timeout', now }))).toBe('invalid-time')
    }
    for (const none of [{ kind: 'data' }, { kind: 'receive' }, { kind: 'receive', contents: 'abc' }]) {
      expect(codeOf(() => a.handleInput({ now: 1e9, ...none } as never))).toBe('invalid-input')
    }
    expect(a.statistics.packetsReceived).toBe(0)
    expect(codeOf(() => a.open(0, 'x', { id: 1 }))).toBe('invalid-option')
    expect(codeOf(() => a.open(0, 'x', { negotiated: true }))).toBe('invalid-option')
    expect(codeOf(() => a.open(0, 'x', { id: 65_535 }))).toBe('invalid-option')
    expect(codeOf(() => a.open(0, 'x', { maxRetransmits: 1, maxPacketLifeTime: 1 }))).toBe('invalid-option')
    expect(codeOf(() => a.open(0, 'x', { priority: -1 }))).toBe('invalid-option')
    expect(codeOf(() => a.open(0, 'x'.repeat(70_000)))).toBe('invalid-option')
    expect(codeOf(() => a.send(0, 0, 'x'))).toBe('no-channel')
    const id = a.open(0, 'x')
    for (const message of [new ArrayBuffer(4), [1, 2], undefined] as unknown[]) {
      expect(codeOf(() => a.send(0, id, message as Uint8Array))).toBe('invalid-message')
    }
    for (const bytes of [-1, Number.NaN]) {
      expect(codeOf(() => a.setBufferedAmountLowThreshold(id, bytes))).toBe('invalid-option')
    }
    for (const wrong of [-2, 1.5, Number.NaN, 65_536]) {
      expect(codeOf(() => channelParameters('x', { negotiated: true, id: wrong }))).toBe('invalid-option')
    }
    expect(codeOf(() => a.open(0, 'x', { id }))).toBe('id-in-use')
    pair.runUntil(() => a.isConnected && b.isConnected)
    a.close(pair.now, id)
    expect(codeOf(() => a.send(pair.now, id, 'x'))).toBe('channel-closing')
    a.abort(pair.now, 'done')
    pair.runFor(100)
    expect(codeOf(() => a.open(pair.now, 'x'))).toBe('invalid-state')
    // of which nothing is sent
    expect(codeOf(() => a.open(pair.now, 'x', { negotiated: true, id: 8 }))).toBe('invalid-state')
    expect(of(pair.b.events, 'closed')).toEqual([{ type: 'closed', reason: 'aborted-by-peer' }])
    expect(a.statistics.invalidMessages).toBe(0)
  })

  it('both ends of the wrong parity: refused and reset', () => {
    const a = new DataChannels({ role: 'client', crypto: seededCrypto(80) })
    const b = new DataChannels({ role: 'client', crypto: seededCrypto(81) })
    const pair = new Pair(a, b, { seed: 8, link: { latency: 5 }, receive })
    a.connect(0)
    a.open(0, 'x')
    pair.runFor(2000)
    expect(b.statistics.invalidMessages).toBe(1)
    expect(of(pair.a.events, 'channelOpen')).toHaveLength(0)
    expect(of(pair.a.events, 'channelClose')).toHaveLength(1)
    a.shutdown(pair.now)
    pair.runUntil(() => of(pair.b.events, 'closed').length === 1)
  })
})

describe('channels that come and go at both ends, at random, on a bad path', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'seed %s: both ends have the same ones in the end, and nothing was for none',
    (seed) => {
      const { a, b, pair } = makeChannels(seed, { latency: 10, loss: 0.15, jitter: 20, reorder: 0.1 })
      pair.runUntil(() => a.isConnected && b.isConnected)
      const random = new SeededRandom(seed)
      const codes = new Set<string>()
      for (let i = 0; i < 150; i++) {
        for (const [machine, parity] of [
          [a, 0],
          [b, 1],
        ] as const) {
          const id = random.integer(6)
          const kind = random.integer(10)
          const own = parity + 2 * random.integer(3)
          const call = () => {
            if (kind < 4) machine.send(pair.now, machine.open(pair.now, `${i}`, { id: own }), 'first')
            else if (kind < 7) machine.close(pair.now, id)
            else machine.send(pair.now, id, new Uint8Array(random.integer(3000)))
          }
          codes.add(codeOf(call))
        }
        pair.runFor(random.integer(60))
      }
      pair.runFor(60_000)
      const openOf = (events: typeof pair.a.events) => {
        const ids = new Set<number>()
        for (const { event } of events) {
          if (event.type === 'channelOpen') ids.add(event.id)
          else if (event.type === 'channelClose') ids.delete(event.id)
        }
        return ids
      }
      const known = (machine: DataChannels) =>
        new Set(
          [0, 1, 2, 3, 4, 5].filter(
            (id) => codeOf(() => machine.setBufferedAmountLowThreshold(id, 0)) === 'none',
          ),
        )
      expect(openOf(pair.a.events)).toEqual(openOf(pair.b.events))
      expect(known(a)).toEqual(openOf(pair.a.events))
      expect(known(b)).toEqual(openOf(pair.b.events))
      expect([a.statistics.invalidMessages, b.statistics.invalidMessages]).toEqual([0, 0])
      expect(codes).toEqual(new Set(['none', 'id-in-use', 'no-channel', 'channel-closing']))
    },
  )
})

describe('an id that is used again while the answer to our reset is on the way', () => {
  /** `a` has channel 0 and closes it; `a` knows that it is gone, and `b` does not, for the answers of `a` to resets are lost until `arrive`. */
  function almostClosed() {
    const a = new DataChannels({ role: 'client', crypto: seededCrypto(60) })
    const b = new DataChannels({ role: 'server', crypto: seededCrypto(61) })
    const events = { a: [] as DataChannelEvent[], b: [] as DataChannelEvent[] }
    let isLost = true
    let now = 0
    const isAnswer = (contents: Uint8Array) =>
      chunksOf(contents).some(
        ({ type, value }) =>
          type === ChunkType.reConfig && readU16(value, 0) === ParameterType.reconfigurationResponse,
      )
    const move = (from: DataChannels, to: DataChannels, list: DataChannelEvent[], filter: boolean) => {
      for (let output = from.pollOutput(); output.kind !== 'timeout'; output = from.pollOutput()) {
        if (output.kind === 'event') list.push(output.event)
        else if (!filter || !isLost || !isAnswer(output.contents))
          to.handleInput({ kind: 'receive', now, contents: output.contents })
      }
    }
    const run = (duration: number) => {
      for (const end = now + duration; now < end; now += 10) {
        for (const each of [a, b]) each.handleInput({ kind: 'timeout', now })
        for (let i = 0; i < 4; i++) {
          move(a, b, events.a, true)
          move(b, a, events.b, false)
        }
      }
    }
    a.connect(now)
    run(100)
    a.open(now, 'first')
    run(100)
    a.close(now, 0)
    run(100)
    expect(events.a.at(-1)).toEqual({ type: 'channelClose', id: 0 })
    expect(events.b.at(-1)!.type).toBe('channelOpen')
    const arrive = () => {
      isLost = false
      run(3000)
    }
    return { a, b, events, run, arrive, now: () => now }
  }

  it('the next channel opens with what was sent on it, once the last one is gone', () => {
    const { a, b, events, run, arrive, now } = almostClosed()
    a.open(now(), 'second', { id: 0 })
    a.send(now(), 0, 'early')
    run(100)
    expect(events.b.at(-1)!.type).toBe('channelOpen')
    arrive()
    expect(events.b.slice(-3)).toMatchObject([
      { type: 'channelClose', id: 0 },
      { type: 'channelOpen', id: 0, parameters: { label: 'second' } },
      { type: 'channelData', id: 0, data: 'early' },
    ])
    expect(events.a.at(-1)).toMatchObject({ type: 'channelOpen', id: 0, parameters: { label: 'second' } })
    b.send(now(), 0, 'back')
    run(100)
    expect(events.a.at(-1)).toEqual({ type: 'channelData', id: 0, data: 'back' })
  })

  it('one that is closed at once, too', () => {
    const { a, b, events, run, arrive, now } = almostClosed()
    a.open(now(), 'second', { id: 0 })
    a.send(now(), 0, 'early')
    a.close(now(), 0)
    run(100)
    arrive()
    expect(events.b.slice(-4)).toMatchObject([
      { type: 'channelClose', id: 0 },
      { type: 'channelOpen', id: 0, parameters: { label: 'second' } },
      { type: 'channelData', id: 0, data: 'early' },
      { type: 'channelClose', id: 0 },
    ])
    expect(events.a.at(-1)).toEqual({ type: 'channelClose', id: 0 })
    expect([a.statistics, b.statistics]).toMatchObject([
      { invalidMessages: 0, discardedMessages: 0 },
      { invalidMessages: 0, discardedMessages: 0 },
    ])
  })

  it.each([
    ['messages', 2000, 1],
    ['bytes', 30, 40_000],
  ])('S19: more %s than are kept: it is refused, and what was kept is let go of', (_, count, length) => {
    const { a, b, events, run, arrive, now } = almostClosed()
    a.open(now(), 'second', { id: 0 })
    for (let i = 0; i < count; i++) a.send(now(), 0, new Uint8Array(length))
    run(1000)
    arrive()
    expect(events.b.filter(({ type }) => type === 'channelOpen')).toHaveLength(1)
    expect(events.b.some(({ type }) => type === 'channelData')).toBe(false)
    expect(events.a.at(-1)).toEqual({ type: 'channelClose', id: 0 })
    expect(b.statistics.invalidMessages).toBeGreaterThan(0)
    // all of it is there for another
    a.open(now(), 'third', { id: 0 })
    run(100)
    expect(events.b.at(-1)).toMatchObject({ type: 'channelOpen', parameters: { label: 'third' } })
  })
})

describe('S8: a peer whose association is right, and whose messages are not', () => {
  it('opens a channel whose id it was refused just now: refused too, and the id is no one’s until it is reset', () => {
    const channels = new DataChannels({ role: 'client', crypto: seededCrypto(90) })
    const peer = new SctpAssociation({ crypto: seededCrypto(91) })
    const pair = new Pair<DataChannels, SctpAssociation>(channels, peer, {
      seed: 9,
      link: { latency: 20 },
      receive,
    })
    peer.connect(0)
    pair.runFor(200)
    for (const stream of [0, 1]) {
      peer.send(pair.now, stream, Ppid.dcep, Uint8Array.of(0xff))
      peer.send(pair.now, stream, Ppid.dcep, writeOpen(channelParameters('x')))
    }
    pair.runFor(25)
    expect(channels.open(pair.now, 'ours')).toBe(2)
    pair.runFor(2000)
    expect(channels.statistics.invalidMessages).toBe(4)
    expect(of(pair.a.events, 'channelOpen')).toEqual([])
    // once it is reset
    peer.send(pair.now, 1, Ppid.dcep, writeOpen(channelParameters('y')))
    pair.runFor(2000)
    expect(of(pair.a.events, 'channelOpen').map(({ id }) => id)).toEqual([1])
  })

  it('opens a channel on a stream that it does not take: refused', () => {
    const channels = new DataChannels({ role: 'client', crypto: seededCrypto(92) })
    const take = (contents: Uint8Array): Uint8Array[] => {
      channels.handleInput({ kind: 'receive', now: 0, contents })
      const sent: Uint8Array[] = []
      for (;;) {
        const output = channels.pollOutput()
        if (output.kind === 'timeout') return sent
        if (output.kind === 'transmit') sent.push(output.contents)
        else expect(output.event.type).toBe('connected')
      }
    }
    const init = makeChunk(ChunkType.init, 0, writeInit(peerInit(1, { inboundStreams: 2 })))
    const [answer] = take(packet(0, init))
    const chunks = new TlvIterator(answer!, COMMON_HEADER, answer!.length)
    chunks.next()
    const { initiateTag, cookie } = readInit(chunks)!
    take(packet(initiateTag, makeChunk(ChunkType.cookieEcho, 0, cookie!)))
    const open = new ByteWriter(64).u32(1).u16(5).u16(0).u32(Ppid.dcep)
    const contents = open.bytes(writeOpen(channelParameters('x'))).finish()
    take(packet(initiateTag, makeChunk(ChunkType.data, 3, contents)))
    expect(channels.statistics.invalidMessages).toBe(1)
  })
})
