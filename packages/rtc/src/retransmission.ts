import { type CachedPacket, SendCache, type StreamTx, writeRtx } from '@str0m/rtp'
import { datagramBytes, type Instant, readU16, serial16 } from '@str0m/sans-io'
import type { Egress } from './egress.ts'
import type { Media } from './media.ts'
import type { OutgoingExtensions } from './outgoing-extensions.ts'
import type { PlainPacket } from './plain-packet.ts'

/** What is kept of a video stream for when packets are asked for again: bytes, as many as a peer of ours waits with, and ms. */
const MAX_CACHE_BYTES = 8 * 2 ** 20
const MAX_CACHE_AGE = 2000
/** Milliseconds within which a packet is not sent again where the round trip is not known. */
const DEFAULT_INTERVAL = 50
/** Of a round trip: who asks again after a whole one, as it measures it, is to be answered. */
const INTERVAL = 0.7
/**
 * Where a packet was sent again four times, it is not for so long, ms, and each further time for twice as long. Pion asks ten times a second for what has
 * come as a retransmission, for as long as it remembers: answered each time, that is soon more than the media.
 */
const LATER_INTERVAL = 200
/** By so much more than a round trip, ms, has a packet to be older than a report that should have it: it may have waited on its way. Where none was measured, one of 300 is assumed. */
const REPORT_TOLERANCE = 50
const ASSUMED_ROUND_TRIP = 300

/** A stream that goes out, as far as its packets are sent again. */
interface Repeatable {
  readonly media: Media
  readonly stream: StreamTx
  readonly extensions: OutgoingExtensions
  /** Where the peer asks for lost packets. */
  readonly cache: SendCache | undefined
  /** The stream of its retransmissions, RFC 4588. */
  readonly rtx: StreamTx | undefined
}

export function newSendCache(): SendCache {
  return new SendCache(MAX_CACHE_BYTES, MAX_CACHE_AGE)
}

/** Sends lost packets that are asked for: each under the header of its retransmission, or, where none was negotiated, the same again. */
export function sendAgain(
  now: Instant,
  sender: Repeatable,
  sequenceNumbers: readonly number[],
  egress: Egress,
): void {
  const roundTrip = roundTripOf(sender)
  const interval = roundTrip === undefined ? DEFAULT_INTERVAL : INTERVAL * roundTrip
  for (const sequenceNumber of sequenceNumbers) {
    const cached = sender.cache?.take(now, sequenceNumber, interval, LATER_INTERVAL)
    if (cached !== undefined) send(now, sender, cached, egress)
  }
}

/**
 * Sends the last packet again where a report should have it and has not. A loss shows by what comes after it: where nothing does, as after the last frame of a picture that stands
 * still, nobody asks. What is missing before that packet is asked for once it is there.
 */
export function repairEnd(now: Instant, sender: Repeatable, highestSequence: number, egress: Egress): void {
  const { cache, stream } = sender
  const last = cache?.latest(now)
  if (cache === undefined || last === undefined) return
  const sequenceNumber = readU16(last.packet, 2)
  if (serial16.diff(sequenceNumber, highestSequence & 0xffff) <= 0) return
  const roundTrip = roundTripOf(sender) ?? ASSUMED_ROUND_TRIP
  if (now - last.sentAt < roundTrip + REPORT_TOLERANCE) return
  if (egress.holds(stream.ssrc, sequenceNumber)) return
  const cached = cache.take(now, sequenceNumber, roundTrip, LATER_INTERVAL)
  if (cached !== undefined) send(now, sender, cached, egress)
}

/** The last packet once more, as a retransmission; `undefined` where there is none, or none was negotiated. */
export function repeatLast(now: Instant, sender: Repeatable, overhead: number): PlainPacket | undefined {
  const cached = sender.cache?.latest(now)
  const repeated = cached && repeat(sender, cached, overhead)
  if (repeated !== undefined) count(sender, cached!)
  return repeated
}

function send(now: Instant, sender: Repeatable, cached: CachedPacket, egress: Egress): void {
  const apart = repeat(sender, cached, egress.overhead)
  count(sender, cached)
  const packet = apart ?? sameAgain(cached.packet, egress.overhead)
  egress.send(now, packet, sender.stream, 'retransmission', apart === undefined ? 'again' : 'never')
}

function count({ stream }: Repeatable, { packet, payloadStart }: CachedPacket): void {
  stream.countRetransmission(packet.length - payloadStart, payloadStart)
}

/** A packet that was sent, under the header of its retransmission (RFC 4588); `undefined` where none was negotiated. */
function repeat(
  { media, rtx, extensions }: Repeatable,
  { packet, payloadStart }: CachedPacket,
  overhead: number,
): PlainPacket | undefined {
  const pt = media.rtxPt(packet[1]! & 0x7f)
  if (pt === undefined || rtx === undefined) return undefined
  const sequenceNumber = rtx.takeSequenceNumber(packet.length - payloadStart)
  const repeated = writeRtx(packet, payloadStart, { pt, ssrc: rtx.ssrc, sequenceNumber }, overhead)
  extensions.repairRid(repeated.buffer)
  return repeated
}

function sameAgain(packet: Uint8Array, overhead: number): PlainPacket {
  const buffer = datagramBytes(packet.length + overhead)
  buffer.set(packet)
  return { buffer, length: packet.length }
}

/** Milliseconds, as the peer's reports last told. */
function roundTripOf({ stream }: Repeatable): number | undefined {
  const { roundTripTime } = stream.statistics
  return roundTripTime === undefined ? undefined : 1000 * roundTripTime
}
