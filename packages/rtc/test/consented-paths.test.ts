import { nativeCrypto } from '@str0m/crypto'
import { Pair } from '@str0m/netem'
import { encodeUtf8, type Instant } from '@str0m/sans-io'
import { parseSdp } from '@str0m/sdp'
import { writeStun } from '@str0m/stun-ice'
import { describe, expect, it } from 'vitest'
import type { Transmit } from '../src/index.ts'
import { negotiatedPair, eventsOf, received } from './harness.ts'

/** What `RTC_ADDRESS` is. */
const OURS = { address: '192.0.2.1', port: 5000 }
/** The peer's ports. */
const [BEFORE, AFTER] = [6000, 6001] as const
const PEER = '192.0.2.2'
const LATENCY = 20
/** Between two frames of sound, and two checks, ms. */
const STEP = 20
/** RFC 7675 section 5.1, ms. */
const CONSENT = 30_000

type Way = 'stun' | 'data'

/** What a datagram is taken for that does not reach anybody: of no protocol. */
const LOST = Uint8Array.of(255)

/**
 * Two peers with sound and a channel, of which `a` restarts ICE. `b` then has another port, as libwebrtc gathers its candidates anew. `ports` are those that
 * its checks and its data come from; `hears` is whether a check to the new one reaches it.
 */
class RestartedCall {
  readonly ports: Record<Way, number> = { stun: BEFORE, data: BEFORE }
  hears = true
  readonly #made: Pick<ReturnType<typeof negotiatedPair>, 'a' | 'b'>
  readonly pair: Pair<ReturnType<typeof negotiatedPair>['a']>
  readonly #crypto = nativeCrypto()
  /** `b`'s user name before the restart, and `a`'s password since. */
  readonly #names = { before: '', password: '' }
  sent = 0

  constructor(seed: number) {
    this.#made = negotiatedPair({
      seed,
      change: (change) => {
        change.addMedia('audio', 'sendrecv')
        change.addChannel('chat')
      },
    })
    const { a, b } = this.#made
    this.pair = new Pair(a, b, {
      seed,
      link: { latency: LATENCY },
      receive: (now, datagram, to) =>
        received(now, to === 'a' ? this.#leaves(datagram) : this.#enters(datagram)),
    })
    this.pair.runUntil(() => a.connected && b.connected)
    this.pair.runFor(1000)
    const change = a.createOffer()
    change.iceRestart()
    const offer = change.apply()
    this.#names.before = b.iceUfrag
    this.#names.password = parseSdp(offer.sdp).media[0]!.icePwd!
    const answer = b.acceptOffer(offer)
    a.pendingChanges()!.acceptAnswer(answer)
  }

  get a() {
    return this.#made.a
  }

  /** Those of `b` that a check of `a`'s has proven. */
  get validPorts(): number[] {
    const { pairs } = this.a.statistics.ice
    return pairs.flatMap(({ valid, pair }) => (valid ? [pair.destination.port] : []))
  }

  #leaves(datagram: Transmit): Transmit {
    const isStun = datagram.contents[0]! < 2
    const port = this.ports[isStun ? 'stun' : 'data']
    return { ...datagram, source: { address: PEER, port } }
  }

  #enters(datagram: Transmit): Transmit {
    const { port } = datagram.destination
    const isRequest = datagram.contents[0] === 0 && datagram.contents[1] === 1
    const contents = isRequest && port === AFTER && !this.hears ? LOST : datagram.contents
    return { ...datagram, contents, destination: { address: PEER, port: BEFORE } }
  }

  /** The check by the port of before: with the new password, and the old user name. */
  checkAsBefore(now: Instant): void {
    const contents = writeStun(
      {
        class: 'request',
        method: 1,
        transactionId: this.#crypto.randomBytes(12),
        username: `${this.a.iceUfrag}:${this.#names.before}`,
        priority: 1_853_817_087,
        iceControlling: 0n,
        useCandidate: true,
      },
      { integrity: this.#crypto.hmac('sha1', encodeUtf8(this.#names.password)) },
    )
    this.a.handleInput(this.#fromBefore(now, contents))
  }

  #fromBefore(now: Instant, contents: Uint8Array) {
    return received(now, {
      kind: 'transmit',
      proto: 'udp',
      source: { address: PEER, port: BEFORE },
      destination: OURS,
      contents,
    })
  }

  /** A frame of sound each 20 ms, and a message with each tenth. */
  sendFor(milliseconds: number, each: (now: Instant) => void = () => {}): void {
    const { b } = this.#made
    const writer = b.media('0')!.writer(b.media('0')!.codecs[0]!.pt)
    for (const end = this.pair.now + milliseconds; this.pair.now < end; this.sent++) {
      writer.write({ value: 960 * this.sent, clockRate: 48_000 }, Uint8Array.of(0xfc, this.sent & 0xff))
      if (this.sent % 10 === 0) b.channels[0]!.write(String(this.sent))
      each(this.pair.now)
      this.pair.runFor(STEP)
    }
    this.pair.runFor(3 * LATENCY)
  }

  /** Which frames came, and which messages. */
  came(): { frames: number[]; messages: number[] } {
    const { events } = this.pair.a
    return {
      frames: eventsOf(events, 'mediaData').map(({ time }) => time.value / 960),
      messages: eventsOf(events, 'channelData').map(({ data }) => Number(data)),
    }
  }
}

/** Nothing that was sent is missing. */
function expectAll(call: RestartedCall): void {
  const all = Array.from({ length: call.sent }, (_, i) => i)
  const { frames, messages } = call.came()
  expect(frames.map((frame) => frame - frames[0]!)).toEqual(all)
  expect(messages).toEqual(all.filter((i) => i % 10 === 0))
  expect(call.a.statistics.dropped.unvalidatedPath).toBe(0)
}

describe('after our ICE restart', () => {
  it('the peer may send by its new port as soon as we have answered its check there, before it has answered ours', () => {
    const call = new RestartedCall(31)
    call.ports.stun = AFTER
    call.hears = false
    // its checks from there are answered by now
    call.pair.runFor(4 * LATENCY)
    call.ports.data = AFTER
    call.sendFor(400)
    call.hears = true
    call.sendFor(1000)
    expect(call.validPorts).toEqual([AFTER])
    expectAll(call)
  })

  it('the peer may go on by its port of before, for as long as its checks there are answered', () => {
    const call = new RestartedCall(32)
    call.ports.stun = AFTER
    call.sendFor(3000, (now) => call.checkAsBefore(now))
    // the new port is the one that we send to
    expect(call.validPorts).toEqual([AFTER])
    call.sendFor(60_000, (now) => {
      if (call.sent % 125 === 0) call.checkAsBefore(now)
    })
    expectAll(call)
    const { sent } = call
    call.sendFor(2 * CONSENT)
    const { frames } = call.came()
    const last = (CONSENT + 3000) / STEP
    expect(frames.length).toBeGreaterThan(sent)
    expect(frames.length).toBeLessThan(sent + last)
    expect(call.a.statistics.dropped.unvalidatedPath).toBeGreaterThan(0)
  })

  it('what comes by the port of before without a check is not taken, once the new one is nominated', () => {
    const call = new RestartedCall(33)
    call.ports.stun = AFTER
    call.pair.runFor(CONSENT + 1000)
    call.sendFor(1000)
    expect(call.came()).toEqual({ frames: [], messages: [] })
    expect(call.a.statistics.dropped.unvalidatedPath).toBeGreaterThanOrEqual(call.sent)
  })
})
