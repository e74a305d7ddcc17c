import { Forwarder, parseRtpHeader, RTP_FIXED_HEADER_LENGTH, StreamTx, writeRtpHeader } from '@str0m/rtp'
import { check } from '../check.ts'
import { counted, FuzzInput, program } from '../input.ts'

// Packets with dependency descriptors of two sources through a forwarder, of which now more and now fewer layers are wanted.

const OVERHEAD = 10
const PT = 100
const MAX_PACKETS = 600
/** Bytes of a descriptor that every one has; the frame number is the second and the third. */
const MANDATORY_LENGTH = 3
/** The first packet of a keyframe, and another one. */
const PAYLOADS = {
  H264: [Uint8Array.of(0x67, 1, 2), Uint8Array.of(0x61, 1, 2)],
  VP8: [Uint8Array.of(0x10, 0, 1), Uint8Array.of(0x10, 1, 1)],
  AV1: [Uint8Array.of(0x18, 1, 1), Uint8Array.of(0x10, 1, 1)],
} as const
const CODECS = ['H264', 'VP8', 'AV1'] as const

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  const codec = input.pick(CODECS)
  const stream = new StreamTx({ ssrc: 9, sequenceNumber: input.u16() })
  const forwarder = new Forwarder({ stream, codec, clockRate: 90_000, timestamp: 0 })
  const sources = [
    { ssrc: 1, sequenceNumber: 1, timestamp: 0 },
    { ssrc: 2, sequenceNumber: 60_000, timestamp: 9 },
  ]
  let now = 0
  forwarder.select(1)
  for (let i = 0; i < MAX_PACKETS && !input.done; i++) {
    const op = input.u8()
    const source = sources[(op >> 7) & 1]!
    if ((op & 3) === 1) forwarder.select(input.pick([undefined, 1, 2]))
    else if ((op & 3) === 2) forwarder.maxTemporalLayer = input.below(8)
    else if ((op & 3) === 3) forwarder.maxSpatialLayer = input.below(8)
    if ((op & 4) !== 0) source.sequenceNumber = (source.sequenceNumber + input.u8()) & 0xffff
    source.sequenceNumber = (source.sequenceNumber + 1) & 0xffff
    if ((op & 8) !== 0) source.timestamp += 3000
    const payload = PAYLOADS[codec][(op >> 4) & 1]!
    const datagram = new Uint8Array(RTP_FIXED_HEADER_LENGTH + payload.length)
    writeRtpHeader(datagram, { ...source, marker: (op & 64) !== 0, payloadType: 96 })
    datagram.set(payload, RTP_FIXED_HEADER_LENGTH)
    const descriptor = input.bytes()
    const before = descriptor.slice()
    let out: Uint8Array | undefined
    const extensionsWith = (rewritten: Uint8Array): undefined => {
      out = rewritten
    }
    const fields = { pt: PT, dependency: { descriptor, extensionsWith } }
    const header = parseRtpHeader(datagram)
    check(header !== undefined, 'a packet has a header')
    const written = forwarder.handlePacket((now += 5), datagram, header, fields, OVERHEAD)
    check(
      descriptor.every((byte, j) => byte === before[j]),
      'what came is as it came',
    )
    while (forwarder.pollHeld(now, { pt: PT }, OVERHEAD) !== undefined);
    if (written === undefined || out === undefined) continue
    check(out.length === descriptor.length, 'a descriptor keeps its length')
    check(out[0] === descriptor[0], 'and its flags')
    for (let j = MANDATORY_LENGTH; j < out.length; j++) check(out[j] === descriptor[j], 'and what follows')
  }
  const { packetsForwarded, switches } = forwarder.statistics
  check(switches <= packetsForwarded, 'each switch begins with a packet')
}

/** One spatial layer and two temporal ones: https://www.w3.org/TR/webrtc-svc/#L1T2. The second names a template of the first. */
const STRUCTURE = 'fc000a87811ea85141010c027c0164'

export function seeds(): Uint8Array[] {
  return CODECS.map((_, codec) => {
    const parts: (number | Uint8Array)[] = [codec, 0, 1]
    for (const of of [0, 128]) {
      parts.push(8 | 64 | of, counted(Buffer.from(STRUCTURE, 'hex')))
      for (let frame = 11; frame < 20; frame++) {
        const template = frame % 2 === 0 ? 0xfd : 0xfe
        if (frame === 14) parts.push(2 | 8 | 16 | 64 | of, 0, counted(Uint8Array.of(template, 0, frame)))
        else if (frame === 18) parts.push(2 | 8 | 16 | 64 | of, 7, counted(Uint8Array.of(template, 0, frame)))
        else parts.push(8 | 16 | 64 | of, counted(Uint8Array.of(template, 0, frame)))
      }
      parts.push(1 | 128, 2, counted(Buffer.from(STRUCTURE, 'hex')))
    }
    return program(...parts)
  })
}
