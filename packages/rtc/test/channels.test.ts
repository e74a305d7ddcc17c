import { Pair } from '@str0m/netem'
import { parseSdp } from '@str0m/sdp'
import { DataChannels } from '@str0m/sctp'
import { describe, expect, it, vi } from 'vitest'
import { Candidate, type Channel, type ChannelOptions, Rtc, type RtcOptions } from '../src/index.ts'
import {
  codeOf,
  connectedPair,
  eventsOf,
  negotiatedPair,
  PEER_ADDRESS,
  received,
  RTC_ADDRESS,
  rtcPair,
  seededCrypto,
} from './harness.ts'

interface Call {
  readonly a: Rtc
  readonly b: Rtc
  readonly pair: Pair<Rtc, Rtc>
}

/** Two peers with nothing between them but data channels, each opened by `a` in its offer. */
function dataCall(
  channels: readonly (readonly [string, ChannelOptions?])[],
  { seed = 1, loss = 0, options = {} }: { seed?: number; loss?: number; options?: RtcOptions } = {},
): Call & { readonly ids: number[] } {
  const a = new Rtc({ crypto: seededCrypto(2 * seed), ...options })
  const b = new Rtc({ crypto: seededCrypto(2 * seed + 1), ...options })
  a.addLocalCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
  b.addLocalCandidate(Candidate.host(PEER_ADDRESS, 'udp'))
  const change = a.createOffer()
  const ids = channels.map(([label, channelOptions]) => change.addChannel(label, channelOptions))
  negotiate(a, b, change.apply())
  const pair = new Pair(a, b, { seed, link: { latency: 10, loss }, receive: received })
  return { a, b, pair, ids }
}

function negotiate(a: Rtc, b: Rtc, offer: { readonly type: 'offer'; readonly sdp: string }): void {
  a.pendingChanges()!.acceptAnswer(b.acceptOffer(offer))
}

const opened =
  ({ pair }: Call, side: 'a' | 'b', count: number) =>
  () =>
    eventsOf(pair[side].events, 'channelOpen').length >= count

describe('data channels over a path that is gone for long', () => {
  it.each([
    ['25 s', 25_000, false],
    ['five minutes, and ICE is restarted', 300_000, true],
  ])('go on when it is back: %s', (_, duration, restarts) => {
    const call = dataCall([['chat']])
    const { a, b, pair } = call
    pair.runUntil(opened(call, 'a', 1))
    pair.runUntil(opened(call, 'b', 1))
    const links = [pair.aToB, pair.bToA]
    for (const link of links) link.configure(pair.now, { latency: 10, loss: 1 })
    for (const channel of [...a.channels, ...b.channels]) channel.write('meanwhile')
    pair.runFor(duration)
    for (const link of links) link.configure(pair.now, { latency: 10, loss: 0 })
    if (restarts) {
      expect(a.statistics.iceState).toBe('failed')
      negotiate(a, b, a.createOffer().iceRestart().apply())
    }
    pair.runFor(4000)
    for (const side of ['a', 'b'] as const) {
      const { events } = pair[side]
      expect(eventsOf(events, 'channelData').map(({ data }) => data)).toEqual(['meanwhile'])
      expect(eventsOf(events, 'channelClose')).toEqual([])
    }
  })
})

describe('data channels', () => {
  it('carry text and bytes both ways, with nothing else in the session', () => {
    const call = dataCall([['chat', { protocol: 'p' }]])
    const { a, b, pair } = call
    pair.runUntil(opened(call, 'b', 1))
    pair.runUntil(opened(call, 'a', 1))
    const [there] = b.channels
    const here = a.channel(call.ids[0]!)!
    expect(there).toMatchObject({
      label: 'chat',
      state: 'open',
      parameters: { protocol: 'p', ordered: true },
    })
    expect(there!.streamId).toBe(here.streamId)
    expect(here.write('grüße 👋')).toBe(true)
    expect(here.write(Uint8Array.of(1, 2, 3))).toBe(true)
    expect(here.write('')).toBe(true)
    pair.runUntil(() => eventsOf(pair.b.events, 'channelData').length === 3)
    expect(eventsOf(pair.b.events, 'channelData').map(({ data }) => data)).toEqual([
      'grüße 👋',
      Uint8Array.of(1, 2, 3),
      '',
    ])
    there!.write('back')
    pair.runUntil(() => eventsOf(pair.a.events, 'channelData').length === 1)
    expect(eventsOf(pair.a.events, 'channelData')[0]).toMatchObject({ id: here.id, data: 'back' })
    expect(a.statistics.channels).toEqual([
      {
        id: here.id,
        label: 'chat',
        protocol: 'p',
        dataChannelIdentifier: here.streamId,
        state: 'open',
        messagesSent: 3,
        bytesSent: 12 + 3,
        messagesReceived: 1,
        bytesReceived: 4,
      },
    ])
    expect(b.statistics.channels[0]).toMatchObject({ messagesReceived: 3, bytesReceived: 15 })
    expect(a.statistics.sctp).toMatchObject({ messagesSent: expect.any(Number) as number })
  })

  it('stand in the descriptions as RFC 8841 has them', () => {
    const a = new Rtc({ maxMessageSize: 100_000 })
    const b = new Rtc()
    const change = a.createOffer()
    change.addMedia('audio')
    change.addChannel('x')
    const offer = change.apply()
    const answer = b.acceptOffer(offer)
    for (const [description, size] of [
      [offer, 100_000],
      [answer, 262_144],
    ] as const) {
      const [audio, data] = parseSdp(description.sdp).media
      expect(audio!.kind).toBe('audio')
      expect(data).toMatchObject({
        kind: 'application',
        protocol: 'UDP/DTLS/SCTP',
        formats: ['webrtc-datachannel'],
        sctpPort: 5000,
        maxMessageSize: size,
      })
      expect(parseSdp(description.sdp).groups).toEqual([{ semantics: 'BUNDLE', mids: ['0', '1'] }])
    }
  })

  it('open without a handshake of their own, where both descriptions have an INIT chunk', () => {
    const times = [true, false].map((snaps) => {
      const change = (sdp: string): string => (snaps ? sdp : sdp.replace(/a=sctp-init:.*\r\n/g, ''))
      const made = negotiatedPair({
        seed: 5,
        link: { latency: 50 },
        change: (set) => set.addChannel('fast'),
        offered: change,
      })
      const { a, b, pair } = made
      pair.runUntil(() => a.connected && b.connected)
      const connected = pair.now
      pair.runUntil(() =>
        [pair.a, pair.b].every(({ events }) => eventsOf(events, 'channelOpen').length === 1),
      )
      a.channels[0]!.write('hello')
      pair.runUntil(() => eventsOf(pair.b.events, 'channelData').length === 1)
      return pair.now - connected
    })
    // DATA_CHANNEL_OPEN, its acknowledgement and the message: three ways of 50 ms; the handshake takes two round trips more
    expect(times[0]).toBeLessThanOrEqual(160)
    expect(times[1]).toBeGreaterThanOrEqual(times[0]! + 100)
  })

  it('are not fooled by a peer that sends back what it does not know', () => {
    const { a, b, pair } = negotiatedPair({ seed: 6, change: (set) => set.addChannel('x') })
    void b
    const offering = new Rtc()
    const set = offering.createOffer()
    set.addChannel('x')
    const offer = set.apply()
    const init = /a=sctp-init:.*/.exec(offer.sdp)![0]
    const answer = new Rtc().acceptOffer({ type: 'offer', sdp: offer.sdp.replace(`${init}\r\n`, '') })
    expect(answer.sdp).not.toContain('sctp-init')
    offering.pendingChanges()!.acceptAnswer({
      type: 'answer',
      sdp: answer.sdp.replace('a=sctp-port:5000', `a=sctp-port:5000\r\n${init}`),
    })
    expect(offering.channels.length).toBe(1)
    pair.runUntil(() => a.channels[0]?.state === 'open')
  })

  it('are opened from both sides, later too, and without an offer', () => {
    const { a, b, pair } = rtcPair(3, { latency: 5 })
    pair.runUntil(() => a.connected && b.connected)
    expect(codeOf(() => a.addChannel('early'))).toBe('no-data-channels')
    const change = b.createOffer()
    const first = change.addChannel('first')
    expect(b.channel(first)).toBeUndefined()
    negotiate(b, a, change.apply())
    const second = a.addChannel('second')
    const call: Call = { a, b, pair }
    pair.runUntil(() => opened(call, 'a', 2)() && opened(call, 'b', 2)())
    expect(b.channel(first)!.streamId! & 1).not.toBe(a.channel(second)!.streamId! & 1)
    expect(a.channels.map(({ label }) => label).sort()).toEqual(['first', 'second'])
    // a renegotiation leaves them be
    const again = a.createOffer()
    again.addMedia('video')
    negotiate(a, b, again.apply())
    a.channel(second)!.write('still here')
    pair.runUntil(() => eventsOf(pair.b.events, 'channelData').length === 1)
    expect(a.channels.length).toBe(2)
  })

  it('negotiated ones need no message, and meet by their id', () => {
    const call = dataCall([['n', { negotiated: true, id: 7, ordered: false, maxRetransmits: 0 }]])
    const { a, b, pair } = call
    const other = b.addChannel('n', { negotiated: true, id: 7, ordered: false, maxRetransmits: 0 })
    expect(codeOf(() => b.addChannel('n', { negotiated: true, id: 7 }))).toBe('id-in-use')
    expect(codeOf(() => b.addChannel('n', { negotiated: true }))).toBe('invalid-option')
    expect(codeOf(() => b.addChannel('n', { id: 9 }))).toBe('invalid-option')
    for (const id of [-1, 1.5, 65_535, Number.NaN]) {
      expect(codeOf(() => b.addChannel('n', { negotiated: true, id }))).toBe('invalid-option')
    }
    expect(codeOf(() => b.addChannel('n', { maxRetransmits: 1, maxPacketLifeTime: 1 }))).toBe(
      'invalid-option',
    )
    pair.runUntil(() => opened(call, 'a', 1)() && opened(call, 'b', 1)())
    expect(a.channel(call.ids[0]!)!.streamId).toBe(7)
    b.channel(other)!.write('met')
    pair.runUntil(() => eventsOf(pair.a.events, 'channelData').length === 1)
  })

  it('close from either side, with nothing lost that was written before', () => {
    const call = dataCall([['one'], ['two']])
    const { a, pair } = call
    pair.runUntil(() => opened(call, 'a', 2)() && opened(call, 'b', 2)())
    const [one, two] = call.ids.map((id) => a.channel(id)!)
    const message = new Uint8Array(100_000).fill(7)
    for (let i = 0; i < 5; i++) one!.write(message)
    one!.close()
    one!.close()
    expect(one!.state).toBe('closing')
    expect(codeOf(() => one!.write('late'))).toBe('channel-closed')
    pair.runUntil(() => [pair.a, pair.b].every(({ events }) => eventsOf(events, 'channelClose').length === 1))
    expect(eventsOf(pair.b.events, 'channelData').map(({ data }) => data.length)).toEqual(
      Array.from({ length: 5 }, () => 100_000),
    )
    expect(one!.state).toBe('closed')
    expect(a.channel(one!.id)).toBeUndefined()
    expect(codeOf(() => one!.write('late'))).toBe('channel-closed')
    expect(two!.state).toBe('open')
    call.b.channels[0]!.close()
    pair.runUntil(() => eventsOf(pair.a.events, 'channelClose').length === 2)
    expect(a.channels).toEqual([])
  })

  it('closed here before the peer takes it up: what the peer writes meanwhile is not delivered', () => {
    const call = dataCall([['first']])
    const { a, b, pair } = call
    pair.runUntil(() => opened(call, 'a', 1)() && opened(call, 'b', 1)())
    const change = a.createOffer()
    const id = change.addChannel('second')
    negotiate(a, b, change.apply())
    pair.runUntil(opened(call, 'b', 2))
    b.channels.find(({ label }) => label === 'second')!.write('too late')
    a.channel(id)!.close()
    pair.runUntil(() => eventsOf(pair.a.events, 'channelClose').length === 1)
    expect(eventsOf(pair.a.events, 'channelData')).toEqual([])
  })

  it('say no where too much waits, and when there is room again', () => {
    const call = dataCall([['bulk']])
    const { a, pair } = call
    pair.runUntil(opened(call, 'a', 1))
    const channel = a.channel(call.ids[0]!)!
    channel.bufferedAmountLowThreshold = 1_000_000
    expect(channel.bufferedAmountLowThreshold).toBe(1_000_000)
    expect(codeOf(() => (channel.bufferedAmountLowThreshold = -1))).toBe('invalid-option')
    const message = new Uint8Array(200_000)
    let written = 0
    while (channel.write(message)) written++
    expect(written).toBeGreaterThan(1)
    expect(channel.bufferedAmount).toBeGreaterThan(1_000_000)
    pair.runUntil(() => eventsOf(pair.a.events, 'bufferedAmountLow').length > 0)
    expect(channel.bufferedAmount).toBeLessThanOrEqual(1_000_000)
    expect(channel.write(message)).toBe(true)
    pair.runUntil(() => eventsOf(pair.b.events, 'channelData').length === written + 1)
  })

  it('count what is written and nothing else; a threshold that is lowered meanwhile counts', () => {
    const call = dataCall([['x']])
    const { a, b, pair } = call
    pair.runUntil(() => opened(call, 'a', 1)() && opened(call, 'b', 1)())
    for (const channel of [a.channel(call.ids[0]!)!, b.channels[0]!]) {
      expect(channel.bufferedAmount).toBe(0)
      channel.write('')
      channel.write(new Uint8Array(0))
      expect(channel.bufferedAmount).toBe(0)
      channel.bufferedAmountLowThreshold = 1000
      channel.write('grün')
      expect(channel.bufferedAmount).toBe(5)
      channel.bufferedAmountLowThreshold = 0
    }
    pair.runFor(1000)
    expect(eventsOf(pair.a.events, 'bufferedAmountLow')).toHaveLength(1)
    expect(eventsOf(pair.b.events, 'bufferedAmountLow')).toHaveLength(1)
  })

  it('say when there is room again to one whose place others have taken', () => {
    const call = dataCall([['bulk'], ['small']])
    const { a, pair } = call
    pair.runUntil(opened(call, 'a', 2))
    const [bulk, small] = call.ids.map((id) => a.channel(id)!) as [Channel, Channel]
    while (bulk.write(new Uint8Array(200_000)));
    while (bulk.write(new Uint8Array(100)));
    expect(small.write(new Uint8Array(200))).toBe(false)
    pair.runUntil(() => eventsOf(pair.a.events, 'bufferedAmountLow').some(({ id }) => id === small.id))
    expect(small.write(new Uint8Array(200))).toBe(true)
  })

  it('are closing while the peer shuts the association down: what was written arrives, and no more is taken', () => {
    const spy = vi.spyOn(DataChannels.prototype, 'handleInput')
    const call = dataCall([['x']])
    const { a, b, pair } = call
    const channel = a.channel(call.ids[0]!)!
    pair.runUntil(() => opened(call, 'a', 1)() && opened(call, 'b', 1)())
    const machines = new Set(spy.mock.contexts as DataChannels[])
    spy.mockRestore()
    channel.write(new Uint8Array(200_000))
    // the peer's does what some stacks do where they are closed
    const theirs = [...machines].filter((machine) => machine.bufferedAmount(channel.streamId!) === 0)
    expect([machines.size, theirs.length]).toEqual([2, 1])
    theirs[0]!.shutdown(pair.now)
    expect(b.channels[0]!.state).toBe('closing')
    pair.runUntil(() => channel.state === 'closing')
    expect(codeOf(() => channel.write('x'))).toBe('channel-closed')
    pair.runUntil(() => eventsOf(pair.a.events, 'channelClose').length === 1)
    expect(eventsOf(pair.b.events, 'channelData')).toHaveLength(1)
  })

  it('refuse what the peer does not take, and what comes too early', () => {
    const call = dataCall([['x']], { options: { maxMessageSize: 1000 } })
    const { a, b, pair } = call
    const channel = a.channel(call.ids[0]!)!
    expect(channel.state).toBe('connecting')
    expect(codeOf(() => channel.write('x'))).toBe('not-open')
    pair.runUntil(() => opened(call, 'a', 1)() && opened(call, 'b', 1)())
    expect(codeOf(() => channel.write(new Uint8Array(1001)))).toBe('message-too-large')
    expect(codeOf(() => channel.write('ü'.repeat(501)))).toBe('message-too-large')
    expect(channel.write('ü'.repeat(500))).toBe(true)
    b.close()
    expect(codeOf(() => b.addChannel('x'))).toBe('closed')
    pair.runUntil(() => a.closed)
    expect(eventsOf(pair.b.events, 'channelClose').length).toBe(1)
    expect(eventsOf(pair.a.events, 'channelClose').length).toBe(1)
    // what was written before the end came out first, and the end comes last
    expect(pair.a.events.at(-1)!.event.type).toBe('closed')
    expect(pair.b.events.at(-1)!.event.type).toBe('closed')
  })

  it('come up and work through loss, whatever the datagram size', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const mtu = seed % 2 === 0 ? 300 : 1200
      const call = dataCall([['x']], { seed, loss: 0.2, options: { mtu } })
      const { a, pair } = call
      pair.runUntil(opened(call, 'a', 1))
      const message = new Uint8Array(50_000).map((_, i) => i * seed)
      a.channel(call.ids[0]!)!.write(message)
      pair.runUntil(() => eventsOf(pair.b.events, 'channelData').length === 1)
      expect(eventsOf(pair.b.events, 'channelData')[0]!.data, `seed ${seed}`).toEqual(message)
    }
  })

  it('a rejected section closes what was planned on it', () => {
    const a = new Rtc()
    const b = new Rtc()
    const change = a.createOffer()
    const id = change.addChannel('x')
    const answer = b.acceptOffer(change.apply())
    const rejected = answer.sdp.replace('m=application 9', 'm=application 0')
    expect(rejected).not.toBe(answer.sdp)
    a.pendingChanges()!.acceptAnswer({ type: 'answer', sdp: rejected })
    expect(a.pollOutput()).toMatchObject({ kind: 'event', event: { type: 'channelClose', id } })
    expect(codeOf(() => a.addChannel('y'))).toBe('no-data-channels')
  })

  it('whose section was stopped do not come back: another one is rejected, and not offered', () => {
    const { a, b, pair } = connectedPair({
      seed: 21,
      change: (change) => {
        change.addMedia('audio')
        change.addChannel('x')
      },
    })
    pair.runUntil(() => b.channels.length > 0)
    const stopped = a
      .createOffer()
      .apply()
      .sdp.replace(/m=application \d+/, 'm=application 0')
    a.pendingChanges()!.acceptAnswer(b.acceptOffer({ type: 'offer', sdp: stopped }))
    pair.runFor(100)
    for (const events of [pair.a.events, pair.b.events]) {
      expect(eventsOf(events, 'channelClose')).toHaveLength(1)
    }
    for (const rtc of [a, b]) {
      expect(codeOf(() => rtc.createOffer().addChannel('y'))).toBe('no-data-channels')
      expect(codeOf(() => rtc.addChannel('y'))).toBe('no-data-channels')
    }
    const again = a.createOffer().apply().sdp.replace('m=application 0', 'm=application 9')
    expect(parseSdp(b.acceptOffer({ type: 'offer', sdp: again }).sdp).media[1]!.port).toBe(0)
    expect(b.connected).toBe(true)
  })

  it('port 0 of SCTP in the answer refuses them, and them alone (RFC 8841 section 10.3)', () => {
    const { a, b, pair } = negotiatedPair({
      seed: 20,
      change: (change) => {
        change.addMedia('audio')
        change.addChannel('x')
      },
      answered: (sdp) => sdp.replace('a=sctp-port:5000', 'a=sctp-port:0'),
    })
    pair.runUntil(() => a.connected && b.connected)
    expect(eventsOf(pair.a.events, 'channelClose')).toHaveLength(1)
    expect(a.channels).toEqual([])
    expect(codeOf(() => a.addChannel('y'))).toBe('no-data-channels')
    expect(a.media('0')!.direction).toBe('sendrecv')
  })

  it.each<ChannelOptions>([{}, { negotiated: true, id: 8 }])(
    'one that is opened after the association has ended says that it is closed: %o',
    (options) => {
      const { a, pair } = connectedPair({
        seed: 22,
        b: { maxMessageSize: 1000 },
        change: (change) => change.addChannel('x'),
        answered: (sdp) => sdp.replace('a=max-message-size:1000', 'a=max-message-size:100000'),
      })
      pair.runUntil(() => a.channels[0]?.state === 'open')
      // larger than what b takes: that ends the association
      a.channels[0]!.write(new Uint8Array(50_000))
      pair.runUntil(() => a.channels.length === 0)
      const id = a.addChannel('y', options)
      pair.runFor(1000)
      expect(eventsOf(pair.a.events, 'channelClose').map((event) => event.id)).toContain(id)
      expect(a.channels).toEqual([])
    },
  )

  it('a rolled back offer leaves no channel', () => {
    const a = new Rtc()
    const change = a.createOffer()
    change.addChannel('x')
    change.apply()
    a.pendingChanges()!.rollback()
    expect(a.channels).toEqual([])
    expect(codeOf(() => a.createOffer().apply())).toBe('no-changes')
  })
})
