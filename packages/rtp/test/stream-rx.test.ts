import { describe, expect, it } from 'vitest'
import {
  ntpFromUnix,
  parseRtpHeader,
  RECEIVED_NUMBERS,
  type ReceivedFrame,
  type RtpHeader,
  type SenderReport,
  type StreamCodec,
  StreamRx,
  writeRtpHeader,
} from '../src/index.ts'
import { forSeeds } from './seeds.ts'

const OPUS: StreamCodec = { pt: 111, name: 'opus', clockRate: 48_000, kind: 'audio' }
const PCMU: StreamCodec = { pt: 0, name: 'PCMU', clockRate: 8000, kind: 'audio' }
const VP8: StreamCodec = { pt: 96, name: 'VP8', clockRate: 90_000, kind: 'video' }
const VP9: StreamCodec = { pt: 98, name: 'VP9', clockRate: 90_000, kind: 'video' }
const TEXT: StreamCodec = { pt: 100, name: 't140', clockRate: 1000, kind: 'audio' }

const KEYFRAME = Uint8Array.of(0x10, 0, 1, 2)
const DELTA = Uint8Array.of(0x10, 1, 1, 2)
/** A packet of a frame that is not its first. */
const CONTINUED = Uint8Array.of(0, 3)

function packet(sequence: number, payload: Uint8Array, codec: StreamCodec): [RtpHeader, Uint8Array] {
  const datagram = Buffer.alloc(12 + payload.length)
  const at = writeRtpHeader(datagram, {
    marker: true,
    payloadType: codec.pt,
    sequenceNumber: sequence & 0xffff,
    timestamp: (sequence * 960) >>> 0,
    ssrc: 5,
  })
  datagram.set(payload, at)
  const header = parseRtpHeader(datagram)!
  return [header, datagram.subarray(header.payloadStart)]
}

class Receiver {
  readonly stream = new StreamRx({ ssrc: 5 })

  put(now: number, sequence: number, payload: Uint8Array, codec: StreamCodec): ReceivedFrame[] {
    this.stream.handlePacket(now, ...packet(sequence, payload, codec), codec)
    return this.frames()
  }

  frames(): ReceivedFrame[] {
    const frames: ReceivedFrame[] = []
    for (let frame = this.stream.pollFrame(); frame !== undefined; frame = this.stream.pollFrame()) {
      frames.push(frame)
    }
    return frames
  }
}

function senderReport(ntpTime: bigint): SenderReport {
  return { type: 'senderReport', ssrc: 5, ntpTime, rtpTime: 0, packetCount: 0, octetCount: 0, reports: [] }
}

describe('a stream whose lost packets are asked for', () => {
  it('asks no longer once their frame was given up', () => {
    const stream = new StreamRx({ ssrc: 5, nack: true })
    stream.handlePacket(0, ...packet(1, KEYFRAME, VP8), VP8)
    for (const sequence of [3, 4]) stream.handlePacket(0, ...packet(sequence, DELTA, VP8), VP8)
    const asked: number[] = []
    for (let now = 0; now < 20_000; now++) {
      stream.handleTimeout(now)
      if (stream.takeNacks(now, 300).length > 0) asked.push(now)
    }
    expect(asked).toEqual([10, 320, 630, 940])
    expect(stream.deadline).toBe(Infinity)
  })

  it('asks for what was sent between the first packet and one that has overtaken it', () => {
    const stream = new StreamRx({ ssrc: 5, nack: true })
    const part = (sequenceNumber: number): Uint8Array => (sequenceNumber === 1 ? KEYFRAME : CONTINUED)
    const put = (now: number, sequence: number): void => {
      const [header, payload] = packet(sequence, part(sequence), VP8)
      stream.handlePacket(now, { ...header, timestamp: 0, marker: sequence === 5 }, payload, VP8)
    }
    for (const sequence of [4, 1, 5, 3]) put(0, sequence)
    expect(stream.takeNacks(stream.deadline, 50)).toEqual([2])
    put(60, 2)
    expect(stream.pollFrame()).toMatchObject({ keyframe: true, firstSequence: 65_537, lastSequence: 65_541 })
    expect(stream.deadline).toBe(Infinity)
  })

  it('asks for what was sent before the first packet, where that one continues a frame', () => {
    const stream = new StreamRx({ ssrc: 5, nack: true })
    const put = (now: number, sequence: number): void => {
      const [header, payload] = packet(sequence, sequence === 1 ? KEYFRAME : CONTINUED, VP8)
      stream.handlePacket(now, { ...header, timestamp: 0, marker: sequence === 4 }, payload, VP8)
    }
    for (const sequence of [3, 4]) put(0, sequence)
    const asked = stream.takeNacks(stream.deadline, 50)
    expect(asked.slice(-3)).toEqual([0, 1, 2])
    expect(asked).toHaveLength(17)
    put(60, 1)
    // the others before it are none of its frame
    expect(stream.takeNacks(stream.deadline, 50)).toEqual([2])
    put(130, 2)
    expect(stream.pollFrame()).toMatchObject({ keyframe: true, firstSequence: 65_537, lastSequence: 65_540 })
    expect(stream.needsKeyframe).toBe(false)
    expect(stream.takeNacks(1000, 50)).toEqual([])
  })

  it('does so no longer than a frame is waited for, nor after a change of the codec', () => {
    const stream = new StreamRx({ ssrc: 5, nack: true })
    stream.handlePacket(0, ...packet(3, CONTINUED, VP8), VP8)
    const asked: number[] = []
    for (let now = 0; now < 20_000; now++) {
      stream.handleTimeout(now)
      if (stream.takeNacks(now, 300).length > 0) asked.push(now)
    }
    expect(asked).toEqual([10, 320, 630, 940])
    stream.handlePacket(20_000, ...packet(4, Uint8Array.of(0x00), VP9), VP9)
    expect(stream.takeNacks(20_100, 300)).toEqual([])
  })

  it('asks for nothing that was sent before a frame that is out', () => {
    const stream = new StreamRx({ ssrc: 5, nack: true })
    for (const sequence of [5, 2]) stream.handlePacket(0, ...packet(sequence, KEYFRAME, VP8), VP8)
    expect(stream.pollFrame()).toBeDefined()
    expect(stream.nackDeadline).toBe(Infinity)
  })

  it.each(['under their own number', 'as RFC 4588 has it'])(
    'takes what comes too late, %s, for no restart of the sender that is silent meanwhile',
    (way) => {
      const stream = new StreamRx({ ssrc: 5, nack: true })
      const frames: number[] = []
      const poll = (): void => {
        for (let frame = stream.pollFrame(); frame !== undefined; frame = stream.pollFrame())
          frames.push(frame.timestamp / 960)
      }
      stream.handlePacket(0, ...packet(1, KEYFRAME, VP8), VP8)
      for (let sequence = 20; sequence < 40; sequence++)
        stream.handlePacket(0, ...packet(sequence, DELTA, VP8), VP8)
      for (let now = 0; now < 1500; now++) {
        stream.handleTimeout(now)
        stream.takeNacks(now, 100)
      }
      poll()
      for (let sequence = 2; sequence < 20; sequence++) {
        const [header, payload] = packet(sequence, DELTA, VP8)
        if (way === 'as RFC 4588 has it') stream.handleRetransmission(1600, header, payload, VP8)
        else stream.handlePacket(1600, header, payload, VP8)
        poll()
      }
      stream.handlePacket(1700, ...packet(40, KEYFRAME, VP8), VP8)
      poll()
      expect(frames).toEqual([1, ...Array.from({ length: 21 }, (_, i) => 20 + i)])
    },
  )
})

describe('a stream', () => {
  it('counts retransmissions with what came, and not in its reports', () => {
    const { stream } = new Receiver()
    for (const sequence of [1, 3]) stream.handlePacket(0, ...packet(sequence, DELTA, VP8), VP8)
    stream.handleRetransmission(10, ...packet(2, KEYFRAME, VP8), VP8)
    stream.handleRetransmission(10, ...packet(2, KEYFRAME, OPUS), OPUS)
    expect(stream.statistics).toMatchObject({
      packetsReceived: 4,
      packetsLost: 1,
      bytesReceived: 16,
      headerBytesReceived: 48,
      retransmittedPacketsReceived: 2,
      retransmittedBytesReceived: 8,
    })
    expect(stream.report(20)).toMatchObject({ cumulativeLost: 1 })
  })

  it('makes no frames where they are not wanted, and still asks for what is missing', () => {
    const stream = new StreamRx({ ssrc: 5, nack: true, frames: false })
    for (const sequence of [1, 2, 4]) stream.handlePacket(0, ...packet(sequence, KEYFRAME, VP8), VP8)
    expect(stream.pollFrame()).toBeUndefined()
    expect(stream.needsKeyframe).toBe(false)
    expect(stream.takeNacks(stream.deadline, 50)).toEqual([3])
    stream.handleRetransmission(60, ...packet(3, KEYFRAME, VP8), VP8)
    expect(stream.takeNacks(1000, 50)).toEqual([])
    expect(stream.statistics).toMatchObject({ packetsReceived: 4, packetsLost: 1, framesReceived: 0 })
    expect(stream.report(1000)).toMatchObject({ cumulativeLost: 1 })
  })

  it('takes packets that come again as they were, a second later, for no restart of the sender', () => {
    const stream = new StreamRx({ ssrc: 5, nack: true })
    const lost = new Set([150, 151, 152])
    for (let i = 0; i < 1000; i++) {
      if (!lost.has(i)) stream.handlePacket(i, ...packet(i, i === 0 ? KEYFRAME : DELTA, VP8), VP8)
      if (i === 500) expect(stream.report(i)).toMatchObject({ cumulativeLost: 3, highestSequence: 500 })
    }
    for (const i of lost) stream.handlePacket(1000, ...packet(i, DELTA, VP8), VP8)
    for (let i = 1000; i < 1100; i++) stream.handlePacket(i, ...packet(i, DELTA, VP8), VP8)
    expect(stream.report(1100)).toMatchObject({ cumulativeLost: 0, fractionLost: 0, highestSequence: 1099 })
    expect(stream.statistics).toMatchObject({ packetsReceived: 1100 })
  })

  it('asks no more for what came again of a codec that the sender has left', () => {
    const stream = new StreamRx({ ssrc: 5, nack: true })
    for (const sequence of [1, 3]) stream.handlePacket(0, ...packet(sequence, KEYFRAME, VP8), VP8)
    stream.handlePacket(1, ...packet(4, KEYFRAME, VP9), VP9)
    expect(stream.takeNacks(20, 50)).toEqual([2])
    expect(stream.isRequested(2)).toBe(true)
    stream.handleRetransmission(30, ...packet(2, DELTA, VP8), VP8)
    expect(stream.isRequested(2)).toBe(false)
    expect(stream.takeNacks(500, 50)).toEqual([])
  })

  it('hands on no frame of before a change of the codec and back, that comes again after it', () => {
    const stream = new StreamRx({ ssrc: 5, nack: true })
    const frames: number[] = []
    const take = (now: number, sequence: number, payload: Uint8Array, codec: StreamCodec): void => {
      stream.handlePacket(now, ...packet(sequence, payload, codec), codec)
      for (let frame = stream.pollFrame(); frame !== undefined; frame = stream.pollFrame())
        frames.push(frame.timestamp / 960)
    }
    take(0, 1, KEYFRAME, VP8)
    take(40, 3, Uint8Array.of(0x8c, 1, 2), VP9)
    // the first of two packets
    const [header, payload] = packet(4, KEYFRAME, VP8)
    stream.handlePacket(80, { ...header, marker: false, timestamp: 5 * 960 }, payload, VP8)
    stream.handleRetransmission(90, ...packet(2, DELTA, VP8), VP8)
    take(100, 5, Uint8Array.of(0, 1), VP8)
    expect(frames).toEqual([1, 3, 5])
  })

  it('tells second copies of packets where it makes no frames, as far back as it remembers', () => {
    const stream = new StreamRx({ ssrc: 5, frames: false })
    const take = (sequence: number) => stream.handlePacket(0, ...packet(sequence, DELTA, VP8), VP8)
    const takeAgain = (sequence: number) =>
      stream.handleRetransmission(0, ...packet(sequence, DELTA, VP8), VP8)
    for (let i = 0; i < 70_000; i++) if (i % 3 !== 0) expect(take(i), `${i}`).toBe(true)
    const newest = 69_998
    for (let i = newest; i > newest - RECEIVED_NUMBERS; i--) {
      expect(takeAgain(i), `${i}`).toBe(i % 3 === 0)
      expect(take(i), `${i}`).toBe(false)
    }
    // also of a codec that the sender has left meanwhile
    stream.handlePacket(0, ...packet(69_999, KEYFRAME, VP9), VP9)
    expect(take(newest)).toBe(false)
    // farther back, it cannot be told
    expect(takeAgain(newest - RECEIVED_NUMBERS)).toBe(true)
    expect(takeAgain(newest)).toBe(false)
    // and a sender that begins anew is heard
    for (const i of [30_000, 30_001]) {
      expect(take(i)).toBe(true)
      expect(takeAgain(i)).toBe(false)
    }
  })

  it('tells what came once more from what came too late', () => {
    const receiver = new Receiver()
    const again = (sequence: number): void => {
      receiver.stream.handleRetransmission(0, ...packet(sequence, DELTA, VP8), VP8)
    }
    receiver.put(0, 1, KEYFRAME, VP8)
    for (let i = 2; i < 10; i++) if (i !== 5) receiver.put(0, i, DELTA, VP8)
    // one that is handed on, one that waits, and each of them again
    for (const sequence of [2, 7, 2, 7]) again(sequence)
    receiver.put(0, 3, DELTA, VP8)
    expect(receiver.stream.statistics).toMatchObject({ packetsDiscarded: 0, packetsDuplicated: 5 })
    // what was lost is given up, comes, and comes again
    receiver.stream.handleTimeout(10_000)
    receiver.frames()
    receiver.put(10_000, 5, DELTA, VP8)
    again(5)
    expect(receiver.stream.statistics).toMatchObject({ packetsDiscarded: 1, packetsDuplicated: 6 })
  })

  it('asks for keyframes, not too often', () => {
    const { stream } = new Receiver()
    expect(stream.requestKeyframe(0, 'pli', 9)).toEqual({ type: 'pli', senderSsrc: 9, mediaSsrc: 5 })
    expect(stream.requestKeyframe(499, 'fir', 9)).toBeUndefined()
    expect(stream.requestKeyframe(500, 'fir', 9)).toMatchObject({ entries: [{ ssrc: 5, sequenceNumber: 0 }] })
    expect(stream.statistics).toMatchObject({ pliCount: 1, firCount: 1 })
  })

  it('gives frames with their codec, and counts', () => {
    const receiver = new Receiver()
    expect(receiver.stream.deadline).toBe(Infinity)
    expect(receiver.stream.report(0)).toBeUndefined()
    expect(receiver.stream.statistics).toMatchObject({ packetsReceived: 0, framesReceived: 0, jitter: 0 })
    receiver.stream.handleTimeout(0)
    expect(receiver.frames()).toEqual([])
    const [frame] = receiver.put(10, 1, Uint8Array.of(1, 2, 3), OPUS)
    expect(frame).toMatchObject({ keyframe: true, codec: OPUS, receivedAt: 10 })
    expect(receiver.stream.codec).toBe(OPUS)
    expect(receiver.stream.statistics).toEqual({
      ssrc: 5,
      packetsReceived: 1,
      packetsLost: 0,
      bytesReceived: 3,
      headerBytesReceived: 12,
      packetsDiscarded: 0,
      packetsDuplicated: 0,
      retransmittedPacketsReceived: 0,
      retransmittedBytesReceived: 0,
      pliCount: 0,
      firCount: 0,
      packetsRecovered: 0,
      nackCount: 0,
      jitter: 0,
      framesReceived: 1,
      framesDropped: 0,
      keyFramesReceived: 1,
      lastPacketReceivedTimestamp: 10,
    })
  })

  it('waits for a missing packet: 100 ms for audio, 200 for video, or as told', () => {
    for (const [codec, payload, wait] of [
      [OPUS, KEYFRAME, 100],
      [VP8, KEYFRAME, 200],
    ] as const) {
      const receiver = new Receiver()
      receiver.put(0, 1, payload, codec)
      receiver.put(0, 3, payload, codec)
      expect(receiver.stream.deadline).toBe(wait)
      receiver.stream.handleTimeout(wait)
      expect(receiver.frames()).toHaveLength(1)
      expect(receiver.stream.deadline).toBe(Infinity)
    }
    const stream = new StreamRx({ ssrc: 5, maxReorderWait: 0 })
    stream.handlePacket(0, ...packet(1, KEYFRAME, VP8), VP8)
    stream.handlePacket(0, ...packet(3, KEYFRAME, VP8), VP8)
    expect(stream.deadline).toBe(0)
    stream.handleTimeout(0)
    expect(stream.deadline).toBe(Infinity)
  })

  it('counts a codec that it cannot depacketize', () => {
    const receiver = new Receiver()
    expect(receiver.put(0, 1, KEYFRAME, TEXT)).toEqual([])
    expect(receiver.stream.statistics.packetsReceived).toBe(1)
    expect(receiver.stream.needsKeyframe).toBe(false)
    expect(receiver.stream.deadline).toBe(Infinity)
  })

  it('does not go back in time', () => {
    const receiver = new Receiver()
    receiver.put(1000, 1, KEYFRAME, VP8)
    receiver.put(0, 3, KEYFRAME, VP8)
    expect(receiver.stream.deadline).toBe(1200)
    expect(receiver.stream.statistics.lastPacketReceivedTimestamp).toBe(1000)
  })
})

describe('keyframes', () => {
  it('are needed by video that starts without one or lost something, never by audio', () => {
    const receiver = new Receiver()
    receiver.put(0, 1, DELTA, VP8)
    expect(receiver.stream.needsKeyframe).toBe(true)
    receiver.put(0, 2, KEYFRAME, VP8)
    expect(receiver.stream.needsKeyframe).toBe(false)
    receiver.put(0, 4, DELTA, VP8)
    receiver.stream.handleTimeout(200)
    expect(receiver.stream.needsKeyframe).toBe(true)
    receiver.put(300, 5, KEYFRAME, VP8)
    expect(receiver.stream.needsKeyframe).toBe(false)

    const audio = new Receiver()
    audio.put(0, 1, KEYFRAME, OPUS)
    audio.put(0, 3, KEYFRAME, OPUS)
    audio.stream.handleTimeout(100)
    expect(audio.stream.needsKeyframe).toBe(false)
  })
})

describe('a change of the codec', () => {
  const VP9_DELTA = Uint8Array.of(0x4c, 1)

  it('keeps whole frames, drops the rest, and wants a keyframe of the new one', () => {
    const receiver = new Receiver()
    receiver.put(0, 1, KEYFRAME, VP8)
    receiver.stream.handlePacket(0, ...packet(2, DELTA, VP8), VP8)
    receiver.stream.handlePacket(0, ...packet(3, VP9_DELTA, VP9), VP9)
    expect(receiver.frames().map(({ codec }) => codec)).toEqual([VP8, VP9])
    expect(receiver.stream.needsKeyframe).toBe(true)
    expect(receiver.stream.codec).toBe(VP9)
    expect(receiver.stream.statistics).toMatchObject({ packetsReceived: 3, framesReceived: 3 })
  })

  it('is not undone by a packet that was overtaken', () => {
    const receiver = new Receiver()
    receiver.put(0, 1, KEYFRAME, VP8)
    receiver.put(0, 3, VP9_DELTA, VP9)
    expect(receiver.put(0, 2, DELTA, VP8)).toEqual([])
    expect(receiver.stream.codec).toBe(VP9)
    expect(receiver.put(0, 4, VP9_DELTA, VP9)).toHaveLength(1)
    expect(receiver.stream.statistics).toMatchObject({ packetsDiscarded: 1, packetsLost: 0 })
  })

  it('is believed of a sender that restarted behind', () => {
    const receiver = new Receiver()
    receiver.put(0, 500, KEYFRAME, VP8)
    receiver.put(10, 400, VP9_DELTA, VP9)
    expect(receiver.stream.codec).toBe(VP8)
    receiver.put(1100, 401, VP9_DELTA, VP9)
    expect(receiver.stream.codec).toBe(VP9)

    const far = new Receiver()
    far.put(0, 40_000, KEYFRAME, VP8)
    far.put(10, 10_000, VP9_DELTA, VP9)
    expect(far.stream.codec).toBe(VP9)
  })

  it('leaves the counts, where the clock changes too', () => {
    const receiver = new Receiver()
    for (let i = 0; i < 10; i++) if (i !== 5) receiver.put(i * 20, i, KEYFRAME, OPUS)
    receiver.stream.handleSenderReport(200, senderReport(ntpFromUnix(1e12)))
    for (let i = 10; i < 20; i++) receiver.put(i * 20, i, KEYFRAME, PCMU)
    expect(receiver.stream.statistics).toMatchObject({ packetsReceived: 19, packetsLost: 1 })
    expect(receiver.stream.report(400)).toMatchObject({
      highestSequence: 19,
      delaySinceLastSenderReport: 13_107,
    })
  })
})

describe('a sender report', () => {
  it('counts even before the first packet', () => {
    const receiver = new Receiver()
    const report = senderReport(ntpFromUnix(1e12))
    receiver.stream.handleSenderReport(0, report)
    expect(receiver.stream.lastSenderReport).toBe(report)
    receiver.put(100, 1, KEYFRAME, VP8)
    expect(receiver.stream.report(1000)).toMatchObject({ delaySinceLastSenderReport: 65_536 })
    expect(receiver.stream.report(1000)!.lastSenderReport).not.toBe(0)
  })
})

describe('a caller’s mistake', () => {
  it.each([Number.NaN, -1, Infinity])(
    'to wait for %s ms is refused before a packet comes',
    (maxReorderWait) => {
      const refused = expect.objectContaining({ code: 'invalid-option' })
      expect(() => new StreamRx({ ssrc: 1, maxReorderWait })).toThrow(refused)
    },
  )

  it.each([Number.NaN, Infinity])('the time %s is refused, and the stream goes on', (none) => {
    const receiver = new Receiver()
    const { stream } = receiver
    const refused = expect.objectContaining({ code: 'invalid-time' })
    receiver.put(0, 1, KEYFRAME, VP8)
    expect(() => receiver.put(none, 2, DELTA, VP8)).toThrow(refused)
    expect(() => stream.handleTimeout(none)).toThrow(refused)
    expect(() => stream.handleSenderReport(none, senderReport(0n))).toThrow(refused)
    receiver.put(20, 3, DELTA, VP8)
    expect(stream.deadline).toBe(220)
  })
})

it('an earlier time counts as the latest that any method was given', () => {
  // what is given in between as it is told, and as it counts
  const reports = [150, 400].map((late) => {
    const { stream } = new Receiver()
    const put = (now: number, sequence: number): void => {
      stream.handlePacket(now, ...packet(sequence, DELTA, VP8), VP8)
    }
    put(100, 1)
    stream.report(200)
    stream.takeNacks(300, 50)
    expect(stream.requestKeyframe(400, 'pli', 1)).toBeDefined()
    put(late, 2)
    expect(stream.requestKeyframe(899, 'pli', 1)).toBeUndefined()
    return [stream.report(900), stream.lastPacketAt]
  })
  expect(reports[0]).toEqual(reports[1])
})

describe('S22: a timer that never advances', () => {
  it('the deadline is later than the time that was handled, whatever came', () => {
    forSeeds(40, (random) => {
      const receiver = new Receiver()
      let now = 0
      let wakes = 0
      let stuck = 0
      for (let i = 0; i < 500; i++) {
        now += random.float() * 30
        const payload = random.chance(0.2) ? new Uint8Array(0) : random.chance(0.5) ? KEYFRAME : DELTA
        const sequence = random.chance(0.02) ? random.u32() : i + random.integer(20)
        receiver.put(now, sequence, payload, random.chance(0.02) ? VP9 : VP8)
        if (random.chance(0.3) || receiver.stream.deadline <= now) {
          receiver.stream.handleTimeout(now)
          wakes++
          if (receiver.stream.deadline <= now) stuck++
        }
      }
      expect(stuck).toBe(0)
      expect(wakes).toBeLessThanOrEqual(500)
      receiver.stream.handleTimeout(now + 1000)
      expect(receiver.stream.deadline).toBe(Infinity)
    })
  })
})

describe('a sender that changes its codec where something was lost', () => {
  it('loses no frame that came', () => {
    const receiver = new Receiver()
    for (const sequence of [1, 2, 4, 5]) receiver.put(sequence, sequence, Uint8Array.of(sequence), OPUS)
    const frames = receiver.put(6, 6, Uint8Array.of(6), PCMU)
    frames.push(...receiver.put(7, 7, Uint8Array.of(7), PCMU))
    expect(frames.map(({ data, contiguous, codec }) => [data[0], contiguous, codec.name])).toEqual([
      [4, false, 'opus'],
      [5, true, 'opus'],
      [6, true, 'PCMU'],
      [7, true, 'PCMU'],
    ])
  })

  it('and says so of the first frame of the new one, where it was lost at the change', () => {
    const receiver = new Receiver()
    const put = (sequence: number, codec: StreamCodec) =>
      receiver.put(sequence, sequence, Uint8Array.of(1), codec)
    for (const sequence of [65_533, 65_534]) put(sequence, OPUS)
    expect(put(65_536, PCMU)).toMatchObject([{ contiguous: false, codec: PCMU }])
    expect(put(65_537, PCMU)).toMatchObject([{ contiguous: true, codec: PCMU }])
    expect(put(65_538, OPUS)).toMatchObject([{ contiguous: true, codec: OPUS }])
  })
})

// at the first packet it would be too late: that comes from the network
it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])(
  'a wait of %d ms is refused at once',
  (maxReorderWait) => {
    expect(() => new StreamRx({ ssrc: 5, maxReorderWait })).toThrow(
      expect.objectContaining({ code: 'invalid-option' }),
    )
  },
)
