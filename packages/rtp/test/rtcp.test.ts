import { ByteWriter } from '@str0m/sans-io'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  MAX_COUNT,
  MAX_FEEDBACK_PACKETS,
  parseRtcp,
  type Rtcp,
  SDES_CNAME,
  type TransportFeedback,
  writeRtcp,
} from '../src/index.ts'

const u8 = fc.integer({ min: 0, max: 0xff })
const u16 = fc.integer({ min: 0, max: 0xffff })
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const i24 = fc.integer({ min: -0x80_0000, max: 0x7f_ffff })
const words = fc.uint8Array({ maxLength: 40 }).map((bytes) => bytes.slice(0, bytes.length & ~3))
const text = fc.stringMatching(/^[a-zé€]{0,20}$/)
const reports = fc.array(
  fc.record({
    ssrc: u32,
    fractionLost: u8,
    cumulativeLost: i24,
    highestSequence: u32,
    jitter: u32,
    lastSenderReport: u32,
    delaySinceLastSenderReport: u32,
  }),
  { maxLength: MAX_COUNT },
)
const items = fc.array(fc.record({ type: fc.integer({ min: 1, max: 255 }), text }), { maxLength: 3 })
const delta = fc.option(fc.oneof(u8, fc.integer({ min: -0x8000, max: 0x7fff })), { nil: undefined })
const runs = fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), delta), { maxLength: 12 })

const packet: fc.Arbitrary<Rtcp> = fc.oneof(
  fc.record({
    type: fc.constant('senderReport' as const),
    ssrc: u32,
    ntpTime: u64,
    rtpTime: u32,
    packetCount: u32,
    octetCount: u32,
    reports,
  }),
  fc.record({ type: fc.constant('receiverReport' as const), ssrc: u32, reports }),
  fc.record({
    type: fc.constant('sourceDescription' as const),
    chunks: fc.array(fc.record({ ssrc: u32, items }), { maxLength: 5 }),
  }),
  fc.record(
    { type: fc.constant('goodbye' as const), ssrcs: fc.array(u32, { maxLength: MAX_COUNT }), reason: text },
    { requiredKeys: ['type', 'ssrcs'] },
  ),
  fc.record({
    type: fc.constant('nack' as const),
    senderSsrc: u32,
    mediaSsrc: u32,
    sequenceNumbers: fc.uniqueArray(u16, { maxLength: 50 }).map((list) => list.sort((a, b) => a - b)),
  }),
  fc.record({ type: fc.constant('pli' as const), senderSsrc: u32, mediaSsrc: u32 }),
  fc.record({
    type: fc.constant('fir' as const),
    senderSsrc: u32,
    entries: fc.array(fc.record({ ssrc: u32, sequenceNumber: u8 }), { maxLength: 5 }),
  }),
  fc.record({
    type: fc.constant('remb' as const),
    senderSsrc: u32,
    bitrate: fc
      .tuple(fc.integer({ min: 0x2_0000, max: 0x3_ffff }), fc.integer({ min: 0, max: 63 }))
      .map(([mantissa, exponent]) => mantissa * 2 ** exponent),
    ssrcs: fc.array(u32, { maxLength: 5 }),
  }),
  fc.record({
    type: fc.constant('transportFeedback' as const),
    senderSsrc: u32,
    mediaSsrc: u32,
    baseSequence: u16,
    referenceTime: i24,
    feedbackCount: u8,
    deltas: runs.map((list) => list.flatMap(([length, value]) => Array.from({ length }, () => value))),
  }),
  fc.record({
    type: fc.constant('congestionControlFeedback' as const),
    senderSsrc: u32,
    reportTimestamp: u32,
    streams: fc.array(
      fc
        .tuple(
          u32,
          u16,
          fc.array(
            fc.oneof(
              fc.constant(undefined),
              fc.tuple(fc.integer({ min: 0, max: 0x1fff }), fc.integer({ min: 0, max: 3 })),
            ),
            { maxLength: 20 },
          ),
        )
        .map(([ssrc, beginSequence, metrics]) => {
          const ecn = metrics.map((metric) => metric?.[1] ?? 0)
          return {
            ssrc,
            beginSequence,
            arrivalOffsets: metrics.map((metric) => metric?.[0]),
            ...(ecn.some((mark) => mark > 0) ? { ecn } : {}),
          }
        }),
      { maxLength: 4 },
    ),
  }),
  fc.record({
    type: fc.constant('extendedReport' as const),
    ssrc: u32,
    blocks: fc.array(
      fc.oneof(
        fc.record({ type: fc.constant('receiverReferenceTime' as const), ntpTime: u64 }),
        fc.record({
          type: fc.constant('delaySinceLastReceiverReport' as const),
          reports: fc.array(
            fc.record({ ssrc: u32, lastReceiverReport: u32, delaySinceLastReceiverReport: u32 }),
            { maxLength: 4 },
          ),
        }),
        fc.record({
          type: fc.constant('other' as const),
          blockType: fc.integer({ min: 6, max: 255 }),
          specific: u8,
          contents: words,
        }),
      ),
      { maxLength: 4 },
    ),
  }),
  fc.record({
    type: fc.constant('unknown' as const),
    packetType: fc.constantFrom(192, 204, 208, 223),
    count: fc.integer({ min: 0, max: 31 }),
    contents: words,
  }),
)

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
const RR = '80c90001 00000001'

describe('RTCP', () => {
  it('is read as it was written, any compound', () => {
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 5 }), (packets) => {
        const bytes = writeRtcp(packets)
        expect(bytes.length % 4).toBe(0)
        expect(parseRtcp(Buffer.from(bytes))).toEqual({ packets, malformed: 0 })
      }),
      { numRuns: 300 },
    )
  })

  it('is laid out as in the RFCs', () => {
    const bytes = writeRtcp([
      { type: 'receiverReport', ssrc: 1, reports: [] },
      { type: 'sourceDescription', chunks: [{ ssrc: 1, items: [{ type: SDES_CNAME, text: 'ab' }] }] },
      { type: 'nack', senderSsrc: 1, mediaSsrc: 2, sequenceNumbers: [0xffff, 0, 15, 16] },
      { type: 'pli', senderSsrc: 1, mediaSsrc: 2 },
      { type: 'remb', senderSsrc: 1, bitrate: 1_000_000, ssrcs: [2] },
    ])
    expect(Buffer.from(bytes)).toEqual(
      Buffer.from(
        hex(`${RR} 81ca0003 00000001 01026162 00000000
          81cd0004 00000001 00000002 ffff8001 00100000
          81ce0002 00000001 00000002
          8fce0005 00000001 00000000 52454d42 010bd090 00000002`),
      ),
    )
  })

  it('reads a reduced-size packet, and one whose padding is right', () => {
    expect(parseRtcp(hex('a1ce0003 00000001 00000002 00000004'))).toEqual({
      packets: [{ type: 'pli', senderSsrc: 1, mediaSsrc: 2 }],
      malformed: 0,
    })
    // as browsers pad transport-wide feedback: one received packet, a delta of 4, one byte of padding
    expect(parseRtcp(hex('afcd0005 00000001 00000002 00050001 00000007 20010401')).packets).toMatchObject([
      { type: 'transportFeedback', deltas: [4] },
    ])
    for (const padding of ['00', '05', '0c', '10', 'ff']) {
      const { packets, malformed } = parseRtcp(hex(`a1ce0003 00000001 00000002 000000${padding} ${RR}`))
      expect({ count: packets.length, malformed }).toEqual({ count: 1, malformed: 1 })
    }
  })

  it('passes over what a profile appends to a report (RFC 3550 section 6.4.3)', () => {
    expect(parseRtcp(hex('80c90003 00000001 aaaaaaaa bbbbbbbb'))).toEqual({
      packets: [{ type: 'receiverReport', ssrc: 1, reports: [] }],
      malformed: 0,
    })
  })

  it('writes into a writer that has something in it', () => {
    const writer = new ByteWriter(4).u8(7)
    const bytes = writeRtcp([{ type: 'goodbye', ssrcs: [1], reason: 'x' }], writer)
    expect(parseRtcp(bytes.slice(1)).packets).toEqual([{ type: 'goodbye', ssrcs: [1], reason: 'x' }])
  })

  it('cuts a text that is too long between characters', () => {
    const { packets } = parseRtcp(writeRtcp([{ type: 'goodbye', ssrcs: [], reason: '€'.repeat(100) }]))
    expect(packets).toEqual([{ type: 'goodbye', ssrcs: [], reason: '€'.repeat(85) }])
  })

  it('rounds a bitrate down to what the wire can say, and bounds it', () => {
    for (const [bitrate, read] of [
      [0x3ffff, 0x3ffff],
      [0x7ffff, 0x7fffe],
      [-5, 0],
      [Number.POSITIVE_INFINITY, 0x3ffff * 2 ** 63],
    ] as const) {
      const { packets } = parseRtcp(writeRtcp([{ type: 'remb', senderSsrc: 1, bitrate, ssrcs: [] }]))
      expect(packets).toMatchObject([{ bitrate: read }])
    }
  })

  it('is refused where the wire cannot count it', () => {
    const code = expect.objectContaining({ code: 'invalid-rtcp' })
    const many = Array.from({ length: 32 }, () => 1)
    const feedback = { type: 'transportFeedback', senderSsrc: 1, mediaSsrc: 1, baseSequence: 0 } as const
    const rest = { referenceTime: 0, feedbackCount: 0 }
    const wrong: Rtcp[] = [
      { type: 'goodbye', ssrcs: many },
      { type: 'sourceDescription', chunks: many.map((ssrc) => ({ ssrc, items: [] })) },
      { type: 'remb', senderSsrc: 1, bitrate: 1, ssrcs: Array.from({ length: 256 }, () => 1) },
      { type: 'unknown', packetType: 204, count: 0, contents: new Uint8Array(300_000) },
      { type: 'unknown', packetType: 204, count: 32, contents: new Uint8Array(0) },
      { ...feedback, ...rest, deltas: [0x8000] },
      { ...feedback, ...rest, deltas: [1.5] },
      { ...feedback, ...rest, deltas: Array.from({ length: MAX_FEEDBACK_PACKETS + 1 }, () => 0) },
      {
        type: 'extendedReport',
        ssrc: 1,
        blocks: [{ type: 'other', blockType: 1, specific: 0, contents: new Uint8Array(3) }],
      },
    ]
    for (const packet of wrong) expect(() => writeRtcp([packet])).toThrow(code)
  })
})

describe('transport-wide feedback', () => {
  const HEADER = '00000001 00000002 0005'

  function deltas(body: string): TransportFeedback['deltas'] | number {
    const bytes = hex(`8fcd0000 ${body}`)
    bytes[3] = bytes.length / 4 - 1
    const { packets, malformed } = parseRtcp(bytes)
    const [packet] = packets
    return packet?.type === 'transportFeedback' ? packet.deltas : malformed
  }

  it('reads the chunks of the draft: runs and vectors', () => {
    // a run of two small deltas, then a vector of two-bit symbols: none, large, small; then the deltas
    expect(deltas(`${HEADER} 0005 fffffe 07 2002 c900 01 02 ff00 03 000000`)).toEqual([
      1,
      2,
      undefined,
      -256,
      3,
    ])
    // a vector of one-bit symbols
    expect(deltas(`${HEADER} 0003 000000 07 a800 10 20`)).toEqual([0x10, undefined, 0x20])
  })

  it('takes the reserved symbol for a packet that did not come', () => {
    expect(deltas(`${HEADER} 0002 000000 07 6002 0000`)).toEqual([undefined, undefined])
  })

  it('S14: is malformed where chunks or deltas are missing, a run is empty, or the count is beyond the bound', () => {
    expect(deltas(`${HEADER} 0005 000000 07`)).toBe(1)
    expect(deltas(`${HEADER} 0005 000000 07 2005 0102`)).toBe(1)
    expect(deltas(`${HEADER} 0005 000000 07 0000 0000`)).toBe(1)
    expect(deltas(`${HEADER} 2001 000000 07 1fff 0002`)).toBe(1)
    expect(deltas(`${HEADER} 2000 000000 07 1fff 0001`)).toHaveLength(MAX_FEEDBACK_PACKETS)
  })
})

describe('S14: RTCP counts and lengths that disagree with the bytes', () => {
  it('counts what is malformed and reads what follows it', () => {
    for (const wrong of [
      '81c90001 00000001', // a report that is not there
      '81c80006 00000001 0000000000000000 00000000 00000000 00000000',
      '82ca0002 00000001 00000000', // a chunk too many
      '81ca0002 00000001 01ff6162', // an item past the end
      '83cb0001 00000001', // sources that are not there
      '81cb0002 00000001 ff616263', // a reason past the end
      '81cd0001 00000001', // no media source
      '8fcd0003 00000001 00000002 00000001',
      '81ce0001 00000001',
      '84ce0000',
      '8fce0004 00000001 00000000 52454d42 ff000000', // 255 sources that are not there
      '80cf0002 00000001 01000009', // a block past the end
      '80cf0000',
    ]) {
      expect(parseRtcp(hex(`${wrong} ${RR}`))).toEqual({
        packets: [{ type: 'receiverReport', ssrc: 1, reports: [] }],
        malformed: 1,
      })
    }
  })

  it('ends where a length points past the end, or the version is another', () => {
    expect(parseRtcp(hex(`${RR} 80c90002 00000001`))).toMatchObject({ packets: [{}], malformed: 1 })
    expect(parseRtcp(hex(`${RR} 40c90001 00000001 ${RR}`))).toMatchObject({ packets: [{}], malformed: 1 })
    expect(parseRtcp(hex(`${RR} 80c9`))).toMatchObject({ packets: [{}], malformed: 1 })
    expect(parseRtcp(hex(RR), 100)).toMatchObject({ packets: [{}], malformed: 0 })
    expect(parseRtcp(hex(`${RR} ${RR}`), 8)).toMatchObject({ packets: [{}], malformed: 0 })
  })

  it('reads application-layer feedback that is no REMB as unknown', () => {
    expect(parseRtcp(hex('8fce0003 00000001 00000002 11223344')).packets).toEqual([
      { type: 'unknown', packetType: 206, count: 15, contents: hex('00000001 00000002 11223344') },
    ])
    expect(parseRtcp(hex('8ccd0002 00000001 00000002')).packets).toMatchObject([
      { packetType: 205, count: 12 },
    ])
    expect(parseRtcp(hex('8bce0002 00000001 00000002')).packets).toMatchObject([
      { packetType: 206, count: 11 },
    ])
  })

  it('a datagram grows no more than so many times', () => {
    const chunk = '8fcd0005 00000001 00000002 00002000 00000007 1fff0001'
    const { packets } = parseRtcp(hex(chunk.repeat(60)))
    let entries = 0
    for (const packet of packets) entries += packet.type === 'transportFeedback' ? packet.deltas.length : 0
    expect(entries).toBeLessThanOrEqual(60 * MAX_FEEDBACK_PACKETS)
  })
})
