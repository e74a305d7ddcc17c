import { isCompoundRtcp, isRtcp, parseRtcp, type Rtcp, writeRtcp } from '@str0m/rtp'
import { isDeepStrictEqual } from 'node:util'
import { check, unlessRefused } from '../check.ts'
import { FuzzInput, program } from '../input.ts'

// RTCP compounds. Each packet that was read is written and read again.

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  const short = input.u8()
  const bytes = input.rest()
  const { packets, malformed } = parseRtcp(bytes, Math.max(0, bytes.length - (short & 3)))
  check(packets.length + malformed <= 1 + bytes.length / 4, 'each packet has four bytes or more')
  isRtcp(bytes)
  isCompoundRtcp(packets)
  for (const packet of packets) {
    const written = unlessRefused(() => writeRtcp([packet]))
    if (written === undefined) continue
    const again = parseRtcp(written)
    check(
      again.malformed === 0 && again.packets.length === 1,
      `what is written is one packet: ${packet.type}`,
    )
    // what is written first may have lost what has no meaning, such as padding
    const twice = unlessRefused(() => writeRtcp(again.packets))
    check(twice !== undefined, 'what was written once is written again')
    check(isDeepStrictEqual(parseRtcp(twice), again), `what is written is read the same: ${packet.type}`)
    check(
      isDeepStrictEqual(comparable(again.packets[0]!), comparable(packet)),
      `what is read is written: ${packet.type}`,
    )
  }
}

/** A NACK may name a packet twice, and in any order. Text that is no UTF-8 is longer when it is written, and then cut. */
function comparable(packet: Rtcp): unknown {
  if (packet.type === 'sourceDescription' || packet.type === 'goodbye') {
    return /\uFFFD/.test(JSON.stringify(packet)) ? packet.type : packet
  }
  return packet.type === 'nack' ? { ...packet, sequenceNumbers: new Set(packet.sequenceNumbers) } : packet
}

const BLOCK = {
  ssrc: 1,
  fractionLost: 3,
  cumulativeLost: -5,
  highestSequence: 70_000,
  jitter: 9,
  lastSenderReport: 1,
  delaySinceLastSenderReport: 2,
}

const PACKETS: readonly Rtcp[] = [
  {
    type: 'senderReport',
    ssrc: 1,
    ntpTime: 5n << 32n,
    rtpTime: 1,
    packetCount: 2,
    octetCount: 3,
    reports: [BLOCK],
  },
  { type: 'receiverReport', ssrc: 1, reports: [BLOCK, BLOCK] },
  { type: 'sourceDescription', chunks: [{ ssrc: 1, items: [{ type: 1, text: 'cname' }] }] },
  { type: 'goodbye', ssrcs: [1, 2], reason: 'bye' },
  { type: 'nack', senderSsrc: 1, mediaSsrc: 2, sequenceNumbers: [65_530, 65_535, 0, 16, 40] },
  { type: 'pli', senderSsrc: 1, mediaSsrc: 2 },
  { type: 'fir', senderSsrc: 1, entries: [{ ssrc: 2, sequenceNumber: 255 }] },
  { type: 'remb', senderSsrc: 1, bitrate: 1_000_000, ssrcs: [2, 3] },
  {
    type: 'transportFeedback',
    senderSsrc: 1,
    mediaSsrc: 2,
    baseSequence: 65_530,
    referenceTime: -3,
    feedbackCount: 7,
    deltas: [4, undefined, 300, undefined, undefined, -2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
  },
  {
    type: 'congestionControlFeedback',
    senderSsrc: 1,
    reportTimestamp: 0x1234_5678,
    streams: [
      { ssrc: 2, beginSequence: 65_530, arrivalOffsets: [51, undefined, 0x1fff], ecn: [0, 0, 3] },
      { ssrc: 3, beginSequence: 7, arrivalOffsets: [0, 0x1ffe] },
      { ssrc: 4, beginSequence: 9, arrivalOffsets: [] },
    ],
  },
  {
    type: 'extendedReport',
    ssrc: 1,
    blocks: [
      { type: 'receiverReferenceTime', ntpTime: 9n },
      {
        type: 'delaySinceLastReceiverReport',
        reports: [{ ssrc: 1, lastReceiverReport: 2, delaySinceLastReceiverReport: 3 }],
      },
      { type: 'other', blockType: 9, specific: 1, contents: Uint8Array.of(1, 2, 3, 4) },
    ],
  },
  { type: 'unknown', packetType: 204, count: 3, contents: Uint8Array.of(1, 2, 3, 4) },
]

export function seeds(): Uint8Array[] {
  return [...PACKETS.map((packet) => program(0, writeRtcp([packet]))), program(0, writeRtcp(PACKETS))]
}
