import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import {
  EXTENSION_URIS,
  ExtensionIds,
  ntpFromUnix,
  ntpMiddle,
  parseRtpHeader,
  readHeaderExtensions,
  type ReportBlock,
  StreamTx,
  writeHeaderExtensions,
  writeRtpHeader,
} from '../src/index.ts'

const IDS = new ExtensionIds([{ id: 4, uri: EXTENSION_URIS.mid }])
const FIELDS = { pt: 96, timestamp: 0xffff_ffff, marker: true }
const payload = { pieces: [Uint8Array.of(1), Uint8Array.of(2, 3)], length: 3 }

function block(more: Partial<ReportBlock>): ReportBlock {
  return {
    ssrc: 7,
    fractionLost: 0,
    cumulativeLost: 0,
    highestSequence: 0,
    jitter: 0,
    lastSenderReport: 0,
    delaySinceLastSenderReport: 0,
    ...more,
  }
}

describe('a sent stream', () => {
  it('numbers its packets, over the wrap, and leaves room for what is appended', () => {
    const stream = new StreamTx({ ssrc: 7, sequenceNumber: 0x1_ffff })
    const extensions = writeHeaderExtensions({ mid: 'a' }, IDS)
    const first = stream.packet(0, { ...FIELDS, extensions }, payload, 10)
    expect(first.buffer).toHaveLength(first.length + 10)
    const header = parseRtpHeader(first.buffer, first.length)!
    expect(header).toMatchObject({
      marker: true,
      payloadType: 96,
      sequenceNumber: 0xffff,
      timestamp: 0xffff_ffff,
      ssrc: 7,
      payloadLength: 3,
    })
    expect(readHeaderExtensions(first.buffer, header, IDS)).toEqual({ mid: 'a' })
    expect([...first.buffer.subarray(header.payloadStart, first.length)]).toEqual([1, 2, 3])

    const second = stream.packet(0, FIELDS, payload, 0)
    expect(second.length).toBe(15)
    expect(parseRtpHeader(second.buffer)).toMatchObject({ sequenceNumber: 0, extensionProfile: -1 })
    expect(stream.sequenceNumber).toBe(1)
    expect(stream.packetsSent).toBe(2)
    expect(stream.statistics).toMatchObject({ packetsSent: 2, bytesSent: 6, headerBytesSent: 20 + 12 })
  })

  it('counts frames, retransmissions and feedback; reports state what was sent for the first time', () => {
    const stream = new StreamTx({ ssrc: 7, sequenceNumber: 0 })
    stream.packet(0, FIELDS, payload, 0)
    stream.countFrame(true)
    stream.countFrame(false)
    stream.countRetransmission(3, 12)
    for (const kind of ['nack', 'nack', 'pli', 'fir'] as const) stream.countFeedback(kind)
    expect(stream.statistics).toMatchObject({
      packetsSent: 2,
      bytesSent: 6,
      headerBytesSent: 24,
      retransmittedPacketsSent: 1,
      retransmittedBytesSent: 3,
      framesSent: 2,
      keyFramesSent: 1,
      nackCount: 2,
      pliCount: 1,
      firCount: 1,
    })
    expect(stream.report(0, 0n, 90_000, [])).toMatchObject({ packetCount: 1, octetCount: 3 })
  })

  it('reports what its timestamp would be now, over the wrap', () => {
    const stream = new StreamTx({ ssrc: 7, sequenceNumber: 0 })
    stream.packet(1000, FIELDS, payload, 0)
    expect(stream.report(1500, 5n, 90_000, [])).toEqual({
      type: 'senderReport',
      ssrc: 7,
      ntpTime: 5n,
      rtpTime: 44_999,
      packetCount: 1,
      octetCount: 3,
      reports: [],
    })
  })
})

describe('what the peer reports', () => {
  it('is kept, and gives the round trip where it answers a report of ours', () => {
    const stream = new StreamTx({ ssrc: 7, sequenceNumber: 0 })
    expect(stream.statistics).toMatchObject({
      packetsLost: 0,
      fractionLost: 0,
      jitter: 0,
      roundTripTime: undefined,
    })
    const ntp = ntpFromUnix(1e12)
    stream.report(1000, ntp, 90_000, [])
    const answer = { lastSenderReport: ntpMiddle(ntp), delaySinceLastSenderReport: 65_536 }
    stream.handleReport(2050, block({ ...answer, fractionLost: 64, cumulativeLost: -3, jitter: 900 }))
    expect(stream.statistics).toMatchObject({ packetsLost: -3, fractionLost: 0.25, jitter: 0.01 })
    expect(stream.statistics.roundTripTime).toBeCloseTo(0.05)
    // a peer that says that it waited longer than it can have, or that answers nothing of ours
    stream.handleReport(1500, block(answer))
    stream.handleReport(9000, block({ lastSenderReport: 1 }))
    expect(stream.statistics.roundTripTime).toBeCloseTo(0.05)
    expect(stream.statistics.totalRoundTripTime).toBeCloseTo(0.05)
    expect(stream.statistics.roundTripTimeMeasurements).toBe(1)
    // one whose clock counts milliseconds may round up
    stream.handleReport(1999.5, block(answer))
    expect(stream.statistics).toMatchObject({ roundTripTime: 0, roundTripTimeMeasurements: 2 })
  })

  it('wrap: gives the round trip after a silence that 32 bits do not hold', () => {
    const hours = 3_600_000
    for (const silence of [18.1 * hours, 18.3 * hours, 20 * hours, 40 * hours]) {
      const stream = new StreamTx({ ssrc: 7, sequenceNumber: 0 })
      const ntp = ntpFromUnix(1e12)
      stream.report(1000, ntp, 90_000, [])
      const units = Math.floor((silence - 50) * 65.536)
      const answer = (delay: number) =>
        block({ lastSenderReport: ntpMiddle(ntp), delaySinceLastSenderReport: delay })
      // what is left of it, as the RFC calculates; or all that can be said
      stream.handleReport(1000 + silence, answer(0xffff_ffff))
      expect(stream.statistics.roundTripTime).toBeUndefined()
      stream.handleReport(1000 + silence, answer(units % 0x1_0000_0000))
      expect(stream.statistics.roundTripTime, `${silence} ms`).toBeCloseTo(0.05)
    }
  })

  it('exhaust: reports of long ago are forgotten', () => {
    const stream = new StreamTx({ ssrc: 7, sequenceNumber: 0 })
    const times = Array.from({ length: 20 }, (_, i) => ntpFromUnix(1e12 + 1000 * i))
    times.forEach((ntp, i) => stream.report(1000 * i, ntp, 90_000, []))
    stream.handleReport(20_000, block({ lastSenderReport: ntpMiddle(times[0]!) }))
    expect(stream.statistics.roundTripTime).toBeUndefined()
    stream.handleReport(20_000, block({ lastSenderReport: ntpMiddle(times[19]!) }))
    expect(stream.statistics.roundTripTime).toBeCloseTo(1)
  })
})

it('what is forwarded is its payload under our header, whatever header and padding it came with', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed)
    const csrcs = Array.from({ length: random.integer(3) }, () => random.u32())
    const from = random.integer(40)
    const payloadLength = random.integer(60)
    const bytes = new Uint8Array(from + payloadLength + random.integer(20))
    random.fill(bytes)
    const extensions = random.chance(0.5)
      ? writeHeaderExtensions({ mid: 'x'.repeat(1 + random.integer(12)) }, IDS)
      : undefined
    const overhead = random.integer(17)
    const fields = { pt: 96, sequenceNumber: seed, timestamp: seed, marker: false, extensions }
    const place = { csrcs, payloadStart: from, payloadLength }
    const { buffer, length, payloadStart, unchanged } = new StreamTx({ ssrc: 5, sequenceNumber: 0 }).forward(
      0,
      bytes,
      place,
      fields,
      overhead,
    )
    expect(buffer.length, `seed ${seed}`).toBe(length + overhead)
    const expected = new Uint8Array(length)
    const start = writeRtpHeader(
      expected,
      { marker: false, payloadType: 96, sequenceNumber: seed, timestamp: seed, ssrc: 5, csrcs },
      extensions?.profile,
      extensions?.bytes,
    )
    expected.set(bytes.subarray(from, from + payloadLength), start)
    expect([payloadStart, unchanged, length], `seed ${seed}`).toEqual([
      start,
      payloadLength,
      start + payloadLength,
    ])
    expect(buffer.subarray(0, length), `seed ${seed}`).toEqual(expected)
  }
})
