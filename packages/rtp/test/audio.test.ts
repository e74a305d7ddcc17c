import { SeededRandom, serial16 } from '@str0m/sans-io'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  dtmfDigit,
  dtmfEvent,
  EXTENSION_URIS,
  ExtensionIds,
  MAX_RED_BLOCKS,
  parseRtpHeader,
  readComfortNoise,
  readHeaderExtensions,
  readRed,
  readTelephoneEvent,
  type ReceivedFrame,
  RedPacketizer,
  type StreamCodec,
  StreamRx,
  TelephoneEventReader,
  TelephoneEventSender,
  writeComfortNoise,
  writeHeaderExtensions,
  writeRtpHeader,
  writeTelephoneEvent,
} from '../src/index.ts'
import { readPackets } from './foreign-packets.ts'
import { join } from './packetizers.ts'
import { forSeeds } from './seeds.ts'

const OPUS: StreamCodec = { pt: 111, name: 'opus', clockRate: 48_000, kind: 'audio' }
const RED: StreamCodec = { pt: 63, name: 'red', clockRate: 48_000, kind: 'audio', primary: OPUS }
const EVENTS: StreamCodec = { pt: 110, name: 'telephone-event', clockRate: 48_000, kind: 'audio' }

const frameOf = (index: number): Uint8Array => Uint8Array.of(index >> 8, index & 0xff, 7)

function put(
  stream: StreamRx,
  now: number,
  sequenceNumber: number,
  timestamp: number,
  payload: Uint8Array,
  codec: StreamCodec,
): ReceivedFrame[] {
  const datagram = new Uint8Array(12 + payload.length)
  const fields = { marker: false, payloadType: codec.pt, ssrc: 1 }
  writeRtpHeader(datagram, { ...fields, sequenceNumber: sequenceNumber & 0xffff, timestamp: timestamp >>> 0 })
  datagram.set(payload, 12)
  stream.handlePacket(now, parseRtpHeader(datagram)!, datagram.subarray(12), codec)
  return drain(stream)
}

function drain(stream: StreamRx): ReceivedFrame[] {
  const frames: ReceivedFrame[] = []
  for (let frame = stream.pollFrame(); frame !== undefined; frame = stream.pollFrame()) frames.push(frame)
  return frames
}

describe('redundant audio, RFC 2198', () => {
  const pack = (packetizer: RedPacketizer, timestamp: number, data: Uint8Array, room = 1200): Uint8Array =>
    join(...packetizer.packetize(timestamp, data, room)!.pieces)

  it('has the last payloads before each, over the wrap of the timestamp', () => {
    const packetizer = new RedPacketizer({ pt: 111, redundancy: 2 })
    expect([...pack(packetizer, 2 ** 32 - 960, Uint8Array.of(1, 2))]).toEqual([111, 1, 2])
    expect([...pack(packetizer, 0, Uint8Array.of(3))]).toEqual([0x80 | 111, 15, 0, 2, 111, 1, 2, 3])
    const third = pack(packetizer, 960, Uint8Array.of(4))
    expect(readRed(third)).toEqual([
      { pt: 111, timestampOffset: 1920, payload: Uint8Array.of(1, 2) },
      { pt: 111, timestampOffset: 960, payload: Uint8Array.of(3) },
      { pt: 111, timestampOffset: 0, payload: Uint8Array.of(4) },
    ])
    expect(readRed(pack(packetizer, 1920, Uint8Array.of(5)))).toHaveLength(3)
  })

  it('leaves out what does not fit, and all that is older', () => {
    const packetizer = new RedPacketizer({ pt: 111, redundancy: 3 })
    pack(packetizer, 0, new Uint8Array(4))
    pack(packetizer, 960, new Uint8Array(20))
    expect(readRed(pack(packetizer, 1920, new Uint8Array(4), 28))).toHaveLength(1)
    expect(readRed(pack(packetizer, 2880, new Uint8Array(4), 14))).toHaveLength(2)
    // 1024 bytes do not fit the field of the length, 2¹⁴ not that of the time
    pack(packetizer, 3840, new Uint8Array(1024))
    expect(readRed(pack(packetizer, 4800, new Uint8Array(4), 2000))).toHaveLength(1)
    expect(readRed(pack(packetizer, 4800 + 0x3fff, new Uint8Array(4), 2000))).toHaveLength(2)
    expect(readRed(pack(packetizer, 4800 + 0x8000, new Uint8Array(4), 2000))).toHaveLength(1)
    expect(packetizer.packetize(0, new Uint8Array(20), 20)).toBeUndefined()
    expect(packetizer.packetize(0, new Uint8Array(0), 20)).toBeUndefined()
  })

  it('refuses options out of range', () => {
    for (const options of [
      { pt: 111, redundancy: 0 },
      { pt: 111, redundancy: MAX_RED_BLOCKS },
      { pt: 128, redundancy: 1 },
    ]) {
      expect(() => new RedPacketizer(options)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
    }
  })

  it('any loss: frames come in order, once, and none is missing where a packet with it came', () => {
    forSeeds(60, (random) => {
      const redundancy = 1 + random.integer(3)
      const packetizer = new RedPacketizer({ pt: 111, redundancy })
      const stream = new StreamRx({ ssrc: 1, nack: random.chance(0.3) })
      const came: number[] = []
      const frames: ReceivedFrame[] = []
      const sent: { index: number; at: number; payload: Uint8Array }[] = []
      for (let index = 0; index < 200; index++) {
        const payload = pack(packetizer, (2 ** 32 - 4800 + index * 960) % 2 ** 32, frameOf(index))
        if (index > 0 && random.chance(0.3)) continue
        came.push(index)
        sent.push({ index, at: index * 20 + (index > 0 && random.chance(0.1) ? 45 : 0), payload })
      }
      sent.sort((a, b) => a.at - b.at)
      for (const { index, at, payload } of sent) {
        if (stream.deadline <= at) stream.handleTimeout(at)
        frames.push(...put(stream, at, 65_500 + index, 2 ** 32 - 4800 + index * 960, payload, RED))
      }
      stream.handleTimeout(1e6)
      frames.push(...drain(stream))
      const got = frames.map(({ data }) => (data[0]! << 8) | data[1]!)
      const expected = Array.from({ length: 200 }, (_, i) => i).filter((i) =>
        came.some((index) => index >= i && index - i <= redundancy),
      )
      expect(got).toEqual(expected)
      expect(frames.every(({ codec }) => codec === OPUS)).toBe(true)
      frames.forEach(({ timestamp, contiguous }, i) => {
        expect(timestamp - frames[0]!.timestamp).toBe(got[i]! * 960)
        expect(contiguous).toBe(i === 0 || got[i] === got[i - 1]! + 1)
      })
      expect(stream.statistics.packetsReceived).toBe(came.length)
      expect(stream.statistics.packetsRecovered).toBeGreaterThanOrEqual(expected.length - came.length)
    })
  })

  it('forge: a packet far off brings no neighbours that would confirm a restart', () => {
    const stream = new StreamRx({ ssrc: 1 })
    const packetizer = new RedPacketizer({ pt: 111, redundancy: 1 })
    expect(put(stream, 0, 1, 0, pack(packetizer, 0, frameOf(0)), RED)).toHaveLength(1)
    expect(put(stream, 1, 20_000, 960, pack(packetizer, 960, frameOf(1)), RED)).toHaveLength(0)
    expect(put(stream, 2, 2, 960, pack(packetizer, 960, frameOf(2)), RED)).toHaveLength(1)
  })

  it('of a packet before the last, and of no other (GStreamer): comes out once, in its place', () => {
    const RED_OF_96: StreamCodec = { ...RED, pt: 96, primary: { ...OPUS, pt: 97 } }
    const packets = readPackets('red-gstreamer-distance-2')
    const sent = packets.map(({ payload }) => readRed(payload)!.at(-1)!.payload)
    packets.forEach((_, lost) => {
      const stream = new StreamRx({ ssrc: 1 })
      const frames: ReceivedFrame[] = []
      packets.forEach(({ header, payload }, i) => {
        if (i === lost) return
        stream.handlePacket(20 * i, header, payload, RED_OF_96)
        stream.handleTimeout(20 * i)
        frames.push(...drain(stream))
      })
      stream.handleTimeout(1e6)
      frames.push(...drain(stream))
      const got = frames.map(({ data }) => sent.findIndex((frame) => Buffer.compare(frame, data) === 0))
      expect(got, `without ${lost}`).toEqual(sent.map((_, i) => i).filter((i) => i !== lost))
      frames.forEach(({ timestamp }, i) =>
        expect(timestamp % 2 ** 32).toBe(packets[got[i]!]!.header.timestamp),
      )
    })
  })

  it('goes to and fro with packets that are not redundant', () => {
    const stream = new StreamRx({ ssrc: 1 })
    const packetizer = new RedPacketizer({ pt: 111, redundancy: 1 })
    expect(put(stream, 0, 1, 0, frameOf(0), OPUS)).toMatchObject([{ data: frameOf(0), codec: OPUS }])
    pack(packetizer, 960, frameOf(1))
    const later = put(stream, 40, 3, 1920, pack(packetizer, 1920, frameOf(2)), RED)
    expect(later.map(({ data }) => data)).toEqual([frameOf(1), frameOf(2)])
    expect(put(stream, 60, 4, 2880, frameOf(3), OPUS)).toMatchObject([{ contiguous: true }])
    expect(stream.statistics).toMatchObject({ packetsReceived: 3, packetsLost: 1, packetsRecovered: 1 })
  })

  it('malformed or of another codec inside: its place is taken, nothing else', () => {
    const stream = new StreamRx({ ssrc: 1 })
    put(stream, 0, 1, 0, Uint8Array.of(111, 1), RED)
    expect(put(stream, 20, 2, 960, Uint8Array.of(0x80 | 111, 0), RED)).toEqual([])
    expect(put(stream, 40, 3, 1920, Uint8Array.of(5, 1), RED)).toEqual([])
    expect(put(stream, 60, 4, 2880, Uint8Array.of(111, 9), RED)).toMatchObject([{ contiguous: true }])
  })

  it.each([
    ['nothing', []],
    ['a header that is cut', [0x80 | 111, 0, 0]],
    ['no primary', [0x80 | 111, 0, 0, 0]],
    ['blocks longer than the packet', [0x80 | 111, 0, 0, 4, 111, 1, 2, 3]],
  ])('malformed: %s', (_what, payload) => {
    expect(readRed(Uint8Array.from(payload))).toBeUndefined()
  })

  it('exhaust: no more blocks than the bound', () => {
    const headers = Array.from({ length: MAX_RED_BLOCKS - 1 }, () => [0x80, 0, 0, 0]).flat()
    expect(readRed(Uint8Array.from([...headers, 0]))).toHaveLength(MAX_RED_BLOCKS)
    expect(readRed(Uint8Array.from([0x80, 0, 0, 0, ...headers, 0]))).toBeUndefined()
  })

  it('never reads past the end, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (payload) => {
        const blocks = readRed(payload)
        const length = blocks?.reduce((sum, block) => sum + block.payload.length, 0) ?? 0
        expect(length).toBeLessThanOrEqual(payload.length)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('comfort noise, RFC 3389', () => {
  it('reads what it writes', () => {
    const noise = { level: 78, coefficients: Uint8Array.of(1, 200) }
    expect([...writeComfortNoise(noise)]).toEqual([78, 1, 200])
    expect(readComfortNoise(writeComfortNoise(noise))).toEqual(noise)
    expect(readComfortNoise(Uint8Array.of(0xff))).toEqual({ level: 127, coefficients: new Uint8Array(0) })
    expect(readComfortNoise(new Uint8Array(0))).toBeUndefined()
    expect(writeComfortNoise({ level: 300, coefficients: new Uint8Array(0) })[0]).toBe(127)
  })

  it('comes in the order of the audio that it takes the place of', () => {
    const PCMU: StreamCodec = { pt: 0, name: 'PCMU', clockRate: 8000, kind: 'audio' }
    const CN: StreamCodec = { pt: 13, name: 'CN', clockRate: 8000, kind: 'audio' }
    const stream = new StreamRx({ ssrc: 1 })
    put(stream, 0, 1, 0, frameOf(0), PCMU)
    expect(put(stream, 40, 3, 320, frameOf(3), PCMU)).toEqual([])
    expect(put(stream, 45, 2, 160, Uint8Array.of(70), CN)).toMatchObject([
      { codec: CN, timestamp: 160, contiguous: true },
      { codec: PCMU, timestamp: 320, contiguous: true },
    ])
    expect(stream.statistics.packetsDiscarded).toBe(0)
  })
})

describe('telephone events, RFC 4733', () => {
  it('are read as they are written', () => {
    const event = { event: 11, end: true, volume: 63, duration: 0xfffe }
    expect([...writeTelephoneEvent(event)]).toEqual([11, 0xbf, 0xff, 0xfe])
    expect(readTelephoneEvent(writeTelephoneEvent(event))).toEqual(event)
    expect(readTelephoneEvent(Uint8Array.of(1, 2, 3))).toBeUndefined()
    expect('0123456789*#abcd'.split('').map(dtmfEvent)).toEqual(Array.from({ length: 16 }, (_, i) => i))
    expect([dtmfEvent('x'), dtmfEvent(''), dtmfEvent('12'), dtmfDigit(11), dtmfDigit(16)]).toEqual([
      undefined,
      undefined,
      undefined,
      '#',
      undefined,
    ])
  })

  const play = (
    sender: TelephoneEventSender,
  ): { at: number; timestamp: number; startedAt: number; marker: boolean; payload: Uint8Array }[] => {
    const packets = []
    while (sender.deadline !== Infinity) {
      const at = sender.deadline
      expect(packets.length).toBeLessThan(1000)
      for (let packet = sender.take(at); packet !== undefined; packet = sender.take(at))
        packets.push({ at, ...packet })
      // S22
      expect(sender.deadline).toBeGreaterThan(at)
    }
    return packets
  }

  it('are sent with a growing duration, a marker at first, and the end three times', () => {
    const sender = new TelephoneEventSender(8000)
    expect(sender.deadline).toBe(Infinity)
    sender.start(1000, 0xffff_ffff, 5, { duration: 120, volume: 8 })
    expect(() => sender.start(1000, 0, 5)).toThrow(expect.objectContaining({ code: 'busy' }))
    expect(sender.take(1049)).toBeUndefined()
    const packets = play(sender)
    expect(packets.map(({ at, marker }) => [at, marker])).toEqual([
      [1050, true],
      [1100, false],
      [1120, false],
      [1170, false],
      [1220, false],
    ])
    expect(packets.every(({ timestamp }) => timestamp === 0xffff_ffff)).toBe(true)
    expect(packets.every(({ startedAt }) => startedAt === 1000)).toBe(true)
    expect(packets.map(({ payload }) => readTelephoneEvent(payload))).toEqual(
      [400, 800, 960, 960, 960].map((duration, i) => ({ event: 5, end: i >= 2, volume: 8, duration })),
    )
  })

  it('that last long go on in segments, and are one for the reader', () => {
    const sender = new TelephoneEventSender(48_000)
    sender.start(0, 7, 1, { duration: 3000 })
    const reader = new TelephoneEventReader()
    const packets = play(sender)
    // each segment has a start of its own
    for (const { timestamp, startedAt } of packets) expect(startedAt).toBeCloseTo((timestamp - 7) / 48, 6)
    const reports = packets.map(({ timestamp, payload }) => reader.handlePacket(timestamp, payload))
    expect(reports[0]).toMatchObject({ started: true, timestamp: 7, duration: 2400 })
    const known = reports.filter((report) => report !== undefined)
    expect(known.filter(({ started }) => started)).toHaveLength(1)
    expect(known.filter(({ ended }) => ended)).toHaveLength(1)
    expect(known.at(-1)).toEqual({
      event: 1,
      started: false,
      ended: true,
      volume: 10,
      timestamp: 7,
      duration: 144_000,
    })
  })

  it.each([
    [{ event: 256 }, {}],
    [{ event: -1 }, {}],
    [{ event: 1 }, { duration: 0 }],
    [{ event: 1 }, { duration: Infinity }],
    [{ event: 1 }, { volume: 64 }],
  ])('refuses %j %j', ({ event }, options) => {
    const sender = new TelephoneEventSender(8000)
    expect(() => sender.start(0, 0, event, options)).toThrow(
      expect.objectContaining({ code: 'invalid-option' }),
    )
    expect(sender.deadline).toBe(Infinity)
  })

  it('loss, reorder, duplicate: each starts once and ends at most once, of any events a packet of which came', () => {
    forSeeds(100, (random) => {
      const sender = new TelephoneEventSender(8000)
      const reader = new TelephoneEventReader()
      const packets: { event: number; at: number; timestamp: number; payload: Uint8Array }[] = []
      for (let event = 0; event < 12; event++) {
        sender.start(event * 400, 0xffff_f000 + event * 3200, event, { duration: 50 + random.integer(150) })
        for (const packet of play(sender)) {
          if (random.chance(0.3)) continue
          for (let copies = 1 + random.integer(2); copies > 0; copies--) {
            packets.push({ ...packet, event, at: packet.at + random.integer(60) })
          }
        }
      }
      packets.sort((a, b) => a.at - b.at)
      const reports = packets
        .map(({ timestamp, payload }) => reader.handlePacket(timestamp, payload))
        .filter((report) => report !== undefined)
      const heard = [...new Set(packets.map(({ event }) => event))].sort((a, b) => a - b)
      expect(reports.filter(({ started }) => started).map(({ event }) => event)).toEqual(heard)
      const ended = reports.filter((report) => report.ended).map(({ event }) => event)
      expect(new Set(ended).size).toBe(ended.length)
      const withEnd = packets
        .filter(({ payload }) => readTelephoneEvent(payload)!.end)
        .map(({ event }) => event)
      expect(ended).toEqual([...new Set(withEnd)].sort((a, b) => a - b))
    })
  })

  it('wrap: a key that is pressed after any time starts, and what is late does not', () => {
    const payload = writeTelephoneEvent({ event: 5, end: true, volume: 10, duration: 800 })
    for (const clockRate of [8000, 48_000]) {
      for (const hours of [0.1, 1, 12, 13, 20, 24, 26, 74, 80, 140, 150, 1000]) {
        const reader = new TelephoneEventReader()
        const first = 0xffff_0000
        const second = (first + hours * 3600 * clockRate) % 0x1_0000_0000
        expect(reader.handlePacket(first, payload)).toMatchObject({ started: true, ended: true })
        const report = reader.handlePacket(second, payload)
        expect(report, `${hours} h at ${clockRate} Hz`).toMatchObject({ started: true, ended: true })
        for (const late of [0.05, 1, 30]) {
          expect(reader.handlePacket(second - late * clockRate, payload)).toBeUndefined()
        }
      }
    }
  })

  it('come through a stream in the order of its audio', () => {
    const stream = new StreamRx({ ssrc: 1 })
    put(stream, 0, 1, 0, frameOf(0), OPUS)
    const event = writeTelephoneEvent({ event: 3, end: false, volume: 10, duration: 960 })
    expect(put(stream, 20, 2, 960, event, EVENTS)).toMatchObject([
      { codec: EVENTS, data: event, contiguous: true },
    ])
    expect(put(stream, 40, 3, 1920, frameOf(2), OPUS)).toMatchObject([{ codec: OPUS, contiguous: true }])
  })

  it('garbage does not throw', () => {
    const random = new SeededRandom(1)
    const reader = new TelephoneEventReader()
    const payload = new Uint8Array(5)
    for (let i = 0; i < 5000; i++) {
      const { fill } = random
      fill(payload)
      expect(() => reader.handlePacket(random.u32(), payload.subarray(0, random.integer(6)))).not.toThrow()
    }
  })
})

describe('header extensions', () => {
  const ids = new ExtensionIds([
    { id: 1, uri: EXTENSION_URIS.audioLevel },
    { id: 2, uri: EXTENSION_URIS.videoOrientation },
    { id: 3, uri: EXTENSION_URIS.dependencyDescriptor },
  ])

  it('come out with the frame: the audio level, and of a video frame those of all its packets', () => {
    const stream = new StreamRx({ ssrc: 1 })
    const send = (
      sequence: number,
      codec: StreamCodec,
      payload: readonly number[],
      marker: boolean,
      extensions: object,
    ) => {
      const written = writeHeaderExtensions(extensions, ids)
      const datagram = new Uint8Array(40)
      const fields = {
        marker,
        payloadType: codec.pt,
        sequenceNumber: serial16.add(sequence, 0),
        timestamp: 5,
        ssrc: 1,
      }
      const at = writeRtpHeader(datagram, fields, written?.profile, written?.bytes)
      datagram.set(payload, at)
      const header = parseRtpHeader(datagram, at + payload.length)!
      const read = readHeaderExtensions(datagram, header, ids)
      stream.handlePacket(0, header, datagram.subarray(at, at + payload.length), codec, read)
      return drain(stream)
    }
    expect(send(1, OPUS, [1], false, { audioLevel: 30, voiceActivity: true })).toMatchObject([
      { extensions: { audioLevel: 30, voiceActivity: true } },
    ])
    const vp8: StreamCodec = { pt: 96, name: 'VP8', clockRate: 90_000, kind: 'video' }
    send(2, vp8, [0x10, 0], false, { audioLevel: 3, voiceActivity: false })
    expect(send(3, vp8, [0x00, 1], true, { videoRotation: 90, audioLevel: 4 })).toMatchObject([
      { extensions: { audioLevel: 3, videoRotation: 90 } },
    ])
  })
})
