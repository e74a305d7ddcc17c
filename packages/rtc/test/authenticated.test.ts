import { writeHeaderExtensions, ExtensionIds, writeRtcp, writeRtpHeader, type Rtcp } from '@str0m/rtp'
import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import type { RtcOptions } from '../src/index.ts'
import { MAX_RECEIVE_STREAMS } from '../src/index.ts'
import type { BrowserPeer } from './browser-peer.ts'
import { connectedCall, eventsOf, received } from './harness.ts'

// What only the peer itself can send: the keys are right, and nothing else has to be.

const LINK = { latency: 10 }
const MID = 4
const AUDIO = { pt: 111, mid: [MID, '0'] as const }
const VIDEO = { pt: 96, mid: [MID, '1'] as const }
/** Every payload type that the offer lists, and some that it does not. */
const PAYLOAD_TYPES = [111, 63, 9, 0, 8, 13, 110, 126, 96, 98, 100, 102, 45, 49, 127, 1, 35]
/** Those that retransmit: what they carry is of the genuine streams, if the peer says so. */
const RETRANSMISSIONS = [97, 99, 101, 103, 46]

/** Sends genuine media every 20 ms: a frame of audio, and one of video. */
class Genuine {
  readonly #peer: BrowserPeer
  sent = 0

  constructor(peer: BrowserPeer) {
    this.#peer = peer
  }

  send(): void {
    const i = this.sent++
    this.#peer.sendRtp({
      ...AUDIO,
      ssrc: 1,
      sequenceNumber: i,
      timestamp: 960 * i,
      payload: Uint8Array.of(0xfc, i),
    })
    this.#peer.sendRtp({
      ...VIDEO,
      ssrc: 2,
      sequenceNumber: i,
      timestamp: 1800 * i,
      marker: true,
      payload: Uint8Array.of(0x10, i === 0 ? 0x10 : 0x11, i, 3, 4),
    })
  }
}

/** Protects bytes that may be no packet at all, as far as that goes, and sends them. */
function sendRtpBytes(peer: BrowserPeer, plain: Uint8Array): void {
  const srtp = peer.transport.outbound!
  const buffer = new Uint8Array(plain.length + srtp.rtpOverhead)
  buffer.set(plain)
  try {
    peer.transport.transmit(buffer.slice(0, srtp.protectRtp(buffer, plain.length)))
  } catch {
    // no header to be protected, or a sequence number that was used
  }
}

function sendRtcpBytes(peer: BrowserPeer, plain: Uint8Array): void {
  const srtp = peer.transport.outbound!
  const buffer = new Uint8Array(plain.length + srtp.rtcpOverhead)
  buffer.set(plain)
  try {
    peer.transport.transmit(buffer.slice(0, srtp.protectRtcp(buffer, plain.length)))
  } catch {
    // too short to be protected
  }
}

function randomBytes(random: SeededRandom, max: number): Uint8Array {
  const bytes = new Uint8Array(random.integer(max + 1))
  random.fill(bytes)
  return bytes
}

/** A packet with a header that is right, extensions that may be anything, and any payload. */
function anyRtp(random: SeededRandom, ssrc: number, payloadTypes: readonly number[]): Uint8Array {
  const ids = new ExtensionIds()
  ids.map(MID, 'mid')
  const mid = writeHeaderExtensions({ mid: String(random.integer(3)) }, ids)!
  const elements = random.chance(0.5) ? mid.bytes : new Uint8Array(4 * random.integer(8))
  if (elements !== mid.bytes) random.fill(elements)
  const payload = randomBytes(random, 80)
  const out = new Uint8Array(100 + elements.length + payload.length)
  const at = writeRtpHeader(
    out,
    {
      marker: random.chance(0.5),
      payloadType: payloadTypes[random.integer(payloadTypes.length)]!,
      sequenceNumber: random.integer(0x1_0000),
      timestamp: random.u32(),
      ssrc,
      csrcs: Array.from({ length: random.integer(3) }, () => random.u32()),
    },
    random.chance(0.5) ? 0xbede : 0x1000,
    elements,
  )
  out.set(payload, at)
  const packet = out.slice(0, at + payload.length)
  // padding whose count says what it likes
  if (random.chance(0.2)) packet[0]! |= 0x20
  return packet
}

const REPORTS: readonly ((random: SeededRandom) => Rtcp)[] = [
  (r) => ({ type: 'pli', senderSsrc: r.u32(), mediaSsrc: r.u32() }),
  (r) => ({
    type: 'nack',
    senderSsrc: 1,
    mediaSsrc: 2,
    sequenceNumbers: [r.integer(65_536), r.integer(65_536)],
  }),
  (r) => ({
    type: 'transportFeedback',
    senderSsrc: r.u32(),
    mediaSsrc: r.u32(),
    baseSequence: r.integer(r.chance(0.5) ? 300 : 0x1_0000),
    referenceTime: r.chance(0.5) ? r.integer(100) : r.integer(0x100_0000) - 0x80_0000,
    feedbackCount: r.integer(256),
    deltas: Array.from({ length: 1 + r.integer(100) }, () =>
      r.chance(0.2) ? undefined : r.integer(r.chance(0.8) ? 400 : 0x1_0000) - (r.chance(0.8) ? 0 : 0x8000),
    ).map((delta) => (delta === undefined ? undefined : Math.min(delta, 0x7fff))),
  }),
  (r) => ({
    type: 'congestionControlFeedback',
    senderSsrc: r.u32(),
    reportTimestamp: r.u32(),
    streams: Array.from({ length: r.integer(4) }, () => ({
      ssrc: r.u32(),
      beginSequence: r.integer(0x1_0000),
      arrivalOffsets: Array.from({ length: r.integer(100) }, () =>
        r.chance(0.2) ? undefined : r.integer(0x2000),
      ),
    })),
  }),
  (r) => ({ type: 'remb', senderSsrc: r.u32(), bitrate: r.float() * 1e9, ssrcs: [r.u32()] }),
  (r) => ({ type: 'fir', senderSsrc: 1, entries: [{ ssrc: r.u32(), sequenceNumber: r.integer(256) }] }),
  (r) => ({ type: 'goodbye', ssrcs: [r.u32(), r.u32()] }),
  (r) => ({
    type: 'senderReport',
    ssrc: r.integer(4),
    ntpTime: BigInt(r.u32()) << 32n,
    rtpTime: r.u32(),
    packetCount: r.u32(),
    octetCount: r.u32(),
    reports: [],
  }),
  (r) => ({
    type: 'extendedReport',
    ssrc: r.u32(),
    blocks: [{ type: 'receiverReferenceTime', ntpTime: BigInt(r.u32()) << 16n }],
  }),
]

/** Reports with lengths and counts that may not be the bytes'. */
function anyRtcp(random: SeededRandom): Uint8Array {
  if (random.chance(0.3)) {
    const bytes = randomBytes(random, 120)
    if (bytes.length > 1) {
      bytes[0] = 0x80 | (bytes[0]! & 0x3f)
      bytes[1] = 192 + random.integer(32)
    }
    return bytes
  }
  const count = 1 + random.integer(3)
  const bytes = writeRtcp(
    Array.from({ length: count }, () => REPORTS[random.integer(REPORTS.length)]!(random)),
  )
  for (let flips = random.integer(4); flips > 0; flips--)
    bytes[random.integer(bytes.length)]! ^= 1 << random.integer(8)
  return bytes.slice(0, random.chance(0.2) ? random.integer(bytes.length) : bytes.length)
}

const MODES: readonly (readonly [string, RtcOptions])[] = [
  ['frames', {}],
  ['packets', { rtpMode: true }],
  ['packets, with the bandwidth estimated', { rtpMode: true, bandwidthEstimation: {} }],
]

describe.each(MODES)('with media flowing, as %s', (_, options) => {
  const isPackets = options.rtpMode === true
  const type = isPackets ? 'rtpPacket' : 'mediaData'

  it('S10, S11, S13: garbage, short datagrams and replays from anywhere cost no frame', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { rtc, peer, pair } = connectedCall(seed, { link: LINK, options })
      const random = new SeededRandom(seed)
      const genuine = new Genuine(peer)
      const poll = peer.pollOutput.bind(peer)
      const seen: ReturnType<typeof received>[] = []
      peer.pollOutput = () => {
        const output = poll()
        if (output.kind === 'transmit') {
          seen.push(received(pair.now, { ...output, contents: output.contents.slice() }))
        }
        return output
      }
      for (let i = 0; i < 200; i++) {
        genuine.send()
        pair.runFor(20)
        const elsewhere = { address: '203.0.113.66', port: 7000 }
        for (const input of seen.splice(0)) {
          // the same again, from the same place and from another
          rtc.handleInput({ ...input, contents: input.contents.slice() })
          rtc.handleInput({ ...input, contents: input.contents.slice(), source: elsewhere })
          for (let k = 0; k < 20; k++) {
            const contents = randomBytes(random, 80)
            if (contents.length > 0) contents[0] = 0x80 | (contents[0]! & 0x3f)
            rtc.handleInput({ ...input, contents })
          }
          rtc.handleInput({ ...input, contents: input.contents.slice(0, random.integer(20)) })
        }
      }
      pair.runFor(300)
      expect(eventsOf(pair.a.events, type).length, `seed ${seed}`).toBe(400)
      expect(rtc.statistics.dropped.unvalidatedPath, `seed ${seed}`).toBeGreaterThan(300)
    }
  })

  it('S12: sources without end, with the right keys, stay within the bound, and the first go on', () => {
    const { rtc, peer, pair } = connectedCall(7, { link: LINK, options })
    const genuine = new Genuine(peer)
    genuine.send()
    pair.runFor(50)
    for (let ssrc = 100; ssrc < 100 + MAX_RECEIVE_STREAMS + 500; ssrc++) {
      peer.sendRtp({ ...AUDIO, ssrc, sequenceNumber: 1, timestamp: 0, payload: Uint8Array.of(0xfc) })
      if (ssrc % 50 === 0) pair.runFor(20)
    }
    pair.runFor(100)
    expect(rtc.statistics.inbound.length).toBeLessThanOrEqual(MAX_RECEIVE_STREAMS)
    const before = eventsOf(pair.a.events, type).length
    for (let i = 0; i < 20; i++) {
      genuine.send()
      pair.runFor(20)
    }
    pair.runFor(300)
    expect(eventsOf(pair.a.events, type).length).toBe(before + 40)
  })

  it('S14 and beyond: packets, reports and messages that only a peer could protect, and are anything', () => {
    for (let seed = 1; seed <= 25; seed++) {
      const random = new SeededRandom(1000 + seed)
      const { rtc, peer, pair } = connectedCall(seed, { link: LINK, options })
      const genuine = new Genuine(peer)
      const retransmits = seed % 5 === 0
      const payloadTypes = retransmits ? [...PAYLOAD_TYPES, ...RETRANSMISSIONS] : PAYLOAD_TYPES
      const forwarder = isPackets ? rtc.media('1')!.forwarder(rtc.media('1')!.codecs[0]!.pt) : undefined
      forwarder?.select(2)
      let forwarded = 0
      for (let i = 0; i < 100; i++) {
        genuine.send()
        for (let k = 0; k < 5; k++) {
          // any of a few sources, but not one of the genuine
          sendRtpBytes(peer, anyRtp(random, 10 + random.integer(6), payloadTypes))
          sendRtcpBytes(peer, withoutGoodbye(anyRtcp(random)))
          if (random.chance(0.3)) peer.transport.sendData(randomBytes(random, 300))
        }
        pair.runFor(20)
        for (const packet of eventsOf(pair.a.events, 'rtpPacket').slice(forwarded)) {
          forwarder?.forward(packet)
          void packet.extensions
          void packet.startsKeyframe
          forwarded++
        }
      }
      pair.runFor(2000)
      expect(rtc.connected, `seed ${seed}`).toBe(true)
      const ours = [...eventsOf(pair.a.events, 'mediaData'), ...eventsOf(pair.a.events, 'rtpPacket')].filter(
        ({ ssrc }) => ssrc === 1 || ssrc === 2,
      )
      // a packet that is sent again as something else takes the place of what it was
      if (retransmits) expect(ours.length, `seed ${seed}`).toBeGreaterThan(150)
      else expect(ours.length, `seed ${seed}`).toBe(200)
      expect(rtc.statistics.inbound.length, `seed ${seed}`).toBeLessThanOrEqual(MAX_RECEIVE_STREAMS)
    }
  }, 60_000)
})

/** A goodbye to a genuine source would end it, as it should. */
function withoutGoodbye(bytes: Uint8Array): Uint8Array {
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    if (bytes[at + 1] === 203) bytes[at + 1] = 204
  }
  return bytes
}

describe('streams that have nothing to do', () => {
  /** A peer that has received one packet of each of so many streams, long ago. */
  function idle(count: number) {
    const call = connectedCall(9, { link: LINK })
    for (let i = 0; i < count; i++) {
      call.peer.sendRtp({
        ...AUDIO,
        ssrc: 1000 + i,
        sequenceNumber: 1,
        timestamp: 0,
        payload: Uint8Array.of(0xfc),
      })
      if (i % 20 === 19) call.pair.runFor(20)
    }
    call.pair.runFor(5000)
    expect(call.rtc.statistics.inbound.length).toBe(count)
    return call
  }

  it('wake nobody: a thousand of them as few times as one', () => {
    const wakes = [1, 1000].map((count) => {
      const { rtc, pair } = idle(count)
      let woken = 0
      const handle = rtc.handleInput.bind(rtc)
      rtc.handleInput = (input) => {
        if (input.kind === 'timeout') woken++
        handle(input)
      }
      pair.runFor(60_000)
      return woken
    })
    expect(wakes[1]).toBe(wakes[0])
    // a check of consent every five seconds or so, and its retransmission timer
    expect(wakes[0]).toBeLessThan(60)
  })

  it('cost nothing at a poll: a thousand of them about as much as one', () => {
    const [one, thousand] = [1, 1000].map((count) => {
      const { rtc, pair } = idle(count)
      const runs: number[] = []
      for (let run = 0; run < 15; run++) {
        const from = performance.now()
        for (let i = 0; i < 20_000; i++) {
          rtc.handleInput({ kind: 'timeout', now: pair.now })
          rtc.pollOutput()
        }
        runs.push(performance.now() - from)
      }
      // of a machine that does other things beside, the shortest is the one that it disturbed least; CPU time is counted in steps as long as a run
      return Math.min(...runs)
    })
    // a look at each would be hundreds of times as much
    expect(thousand! / one!).toBeLessThan(5)
  })
})
