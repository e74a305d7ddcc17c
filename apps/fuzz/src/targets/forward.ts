import {
  Forwarder,
  MAX_HELD_PACKETS,
  parseRtpHeader,
  RTP_FIXED_HEADER_LENGTH,
  StreamTx,
  type WrittenPacket,
  writeRtpHeader,
} from '@str0m/rtp'
import { SeededRandom } from '@str0m/sans-io'
import { check } from '../check.ts'
import { counted, FuzzInput, program } from '../input.ts'
import { CODECS, PACKETIZERS } from './depacketize.ts'

// Packets of two sources through a forwarder: each number goes out once.

const OVERHEAD = 10
const PT = 100
/** A number may come again only after so many others: RFC 3711 section 9.1 would be broken. */
const MIN_DISTANCE = 1500
const MAX_PACKETS = 600

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  const codec = input.pick(CODECS)
  const tx = new StreamTx({ ssrc: 9, sequenceNumber: input.u16() })
  const forwarder = new Forwarder({ stream: tx, codec, clockRate: 90_000, timestamp: input.u32() })
  const sources = [
    { ssrc: 1, sequenceNumber: input.u16(), timestamp: input.u32() },
    { ssrc: 2, sequenceNumber: input.u16(), timestamp: input.u32() },
  ]
  const given = new Map<number, number>()
  let out = 0
  let taken = 0
  let now = 0
  const gone = (written: WrittenPacket | undefined, most: number): boolean => {
    if (written === undefined) return false
    check(written.buffer.length === written.length + OVERHEAD, 'there is room after the packet')
    check(written.length <= most, 'a packet hardly grows on its way')
    const header = parseRtpHeader(written.buffer, written.length)
    check(header?.ssrc === 9 && header.payloadType === PT, 'what goes out is a packet of the stream')
    const before = given.get(header.sequenceNumber)
    check(before === undefined || out - before > MIN_DISTANCE, `${header.sequenceNumber} goes out once`)
    given.set(header.sequenceNumber, out++)
    return true
  }
  forwarder.select(1)
  let longest = 0
  for (let i = 0; i < MAX_PACKETS && !input.done; i++) {
    const op = input.u8()
    const source = sources[(op >> 7) & 1]!
    if ((op & 7) === 1) forwarder.select(input.pick([undefined, 1, 2]))
    else if ((op & 7) === 2) forwarder.maxTemporalLayer = input.below(8)
    else if ((op & 7) === 3) forwarder.maxSpatialLayer = input.below(8)
    else if ((op & 7) === 4) source.sequenceNumber = (source.sequenceNumber + input.u16()) & 0xffff
    else if ((op & 7) === 5) source.sequenceNumber = (source.sequenceNumber - input.u8()) & 0xffff
    else if ((op & 7) === 6) source.timestamp = input.u32()
    else if ((op & 7) === 7) now += input.u16()
    if ((op & 8) !== 0) source.sequenceNumber = (source.sequenceNumber + 1) & 0xffff
    if ((op & 16) !== 0) source.timestamp = (source.timestamp + 3000) >>> 0
    if ((op & 32) !== 0) now += 20
    const payload = input.bytes()
    const datagram = new Uint8Array(RTP_FIXED_HEADER_LENGTH + payload.length)
    writeRtpHeader(datagram, { ...source, marker: (op & 64) !== 0, payloadType: 96 })
    datagram.set(payload, RTP_FIXED_HEADER_LENGTH)
    const header = parseRtpHeader(datagram)
    check(header !== undefined, 'a packet has a header')
    longest = Math.max(longest, datagram.length)
    taken++
    const capturedAt = (op & 64) === 0 ? undefined : now - (op & 15)
    gone(forwarder.handlePacket(now, datagram, header, { pt: PT }, OVERHEAD, capturedAt), longest + 8)
    let held = 0
    while (gone(forwarder.pollHeld(now, { pt: PT }, OVERHEAD), longest + 8)) held++
    check(held <= 2 * MAX_HELD_PACKETS, 'what is held is bounded')
  }
  const { packetsForwarded, placesFilled, packetsOfOtherSources, packetsRefused, packetsLeftOut } =
    forwarder.statistics
  check(packetsForwarded + placesFilled === out, 'what went out is counted')
  check(
    packetsForwarded + packetsOfOtherSources + packetsRefused + packetsLeftOut === taken,
    'and what came in',
  )
}

export function seeds(): Uint8Array[] {
  return CODECS.flatMap((_, codec) =>
    [1, 2].map((seed) => {
      const random = new SeededRandom(seed)
      const parts: (number | Uint8Array)[] = [codec, ...new Uint8Array(18)]
      for (let frame = 0; frame < 6; frame++) {
        const { payloads } = PACKETIZERS[codec]!(random, frame % 3 === 0)
        payloads.forEach((payload, i) => {
          const of = seed === 2 && frame > 2 ? 128 : 0
          if (seed === 2 && frame === 3 && i === 0) parts.push(1 | 128 | 8, 2, counted(payload))
          else
            parts.push(
              (i === 0 ? 16 : 0) | 8 | 32 | of | (i === payloads.length - 1 ? 64 : 0),
              counted(payload),
            )
        })
      }
      return program(...parts)
    }),
  )
}
