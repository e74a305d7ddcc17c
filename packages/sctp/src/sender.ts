// What has been sent, what is lost, what may be sent: RFC 9260 sections 6.1 to 6.3 and 7.2, with the loss detection of
// RACK-TLP (RFC 8985) in place of counted miss indications, and partial reliability (RFC 3758).
//
//   SendQueue → flying → acked → cumulatively acked: the slot is free
//                 ↓ ↑
//                lost → abandoned → FORWARD TSN

import { type Instant, NEVER, readU16, readU32, serial32 } from '@str0m/sans-io'
import type { CongestionController } from './congestion.ts'
import type { OutgoingMessage, SendQueue } from './outgoing.ts'
import { ChunkList, Outstanding, type SentChunk } from './outstanding.ts'
import { Pacer } from './pacer.ts'
import { Rack } from './rack.ts'
import type { RoundTrip } from './round-trip.ts'
import { numberMessage, writeDataChunk, writeForwardTsn } from './sent-chunks.ts'
import type { Counters } from './statistics.ts'
import { DATA_HEADER, DataFlag, I_DATA_HEADER, TLV_HEADER } from './wire/constants.ts'
import type { PacketWriter } from './wire/packet.ts'
import type { TlvIterator } from './wire/tlv.ts'

/** Halvings after which any window is a small one. */
const MAX_IDLE_STEPS = 16
/** Smoothed round trips until a FORWARD TSN is sent again: a full one (RFC 3758 section 3.5, F2), and half of one for what it varies. */
const FORWARD_AGAIN = 1.5
const NO_BYTES = new Uint8Array(0)

export interface SenderOptions {
  readonly initialTsn: number
  /** The peer's advertised window, bytes. */
  readonly peerWindow: number
  /** Whether chunks are I-DATA and I-FORWARD-TSN (RFC 8260). */
  readonly interleaving: boolean
  /** Bytes of user data that a DATA chunk takes. */
  readonly maxPayload: number
  /** Whether the peer knows FORWARD TSN. */
  readonly forwardTsn: boolean
  readonly congestion: CongestionController
  readonly roundTrip: RoundTrip
  readonly queue: SendQueue
  readonly counters: Counters
}

/** Sends user messages as DATA chunks until the peer has them, or they are given up. TSNs within are unwrapped. */
export class DataSender {
  readonly #maxPayload: number
  readonly #forwardTsn: boolean
  readonly #interleaving: boolean
  /** Bytes of a chunk's value before its user data. */
  readonly #header: number
  readonly #congestion: CongestionController
  readonly #roundTrip: RoundTrip
  readonly #queue: SendQueue
  readonly #counters: Counters
  readonly #outstanding: Outstanding
  readonly #pacer: Pacer
  /** Whether it is the pacer that holds up what waits. */
  #isPaced = false
  readonly #flying = new ChunkList()
  readonly #lost = new ChunkList()
  #flight = 0
  /** Bytes found to be lost since the last acknowledgement. */
  #newlyLost = 0
  #peerWindow: number
  #retransmitAt: Instant = NEVER
  #probeAt: Instant = NEVER
  #reorderAt: Instant = NEVER
  #lastSentAt: Instant = Number.NEGATIVE_INFINITY
  /** A probe goes out whatever the congestion window says. */
  #probing = false
  /** One probe for each flight (RFC 8985 section 7.3). */
  #probed = false
  readonly #rack: Rack
  #gapAcked = 0
  /** Losses up to this TSN belong to a reduction that was made. */
  #recoveryTsn = -1
  #recovering = false
  /** All up to here is acknowledged or abandoned: Advanced.Peer.Ack.Point. */
  #advancedTsn: number
  #forwardDue = false
  /** The last that a FORWARD TSN named. */
  #forwardedTsn = -1
  #forwardSentAt: Instant = Number.NEGATIVE_INFINITY
  #previousStarts: number[] = []
  #previousEnds: number[] = []
  /** RFC 3758 section 4: also one that is sent in part is given up, where the peer can be told. */
  readonly #onExpired = (message: OutgoingMessage, now: Instant): boolean => {
    if (message.taken === 0) {
      this.#counters.messagesAbandoned++
      return true
    }
    if (!this.#mayAbandon(message)) return false
    this.#abandon(message)
    this.#advance(now)
    return true
  }

  constructor(options: SenderOptions) {
    this.#maxPayload = options.maxPayload
    this.#forwardTsn = options.forwardTsn
    this.#interleaving = options.interleaving
    this.#header = (options.interleaving ? I_DATA_HEADER : DATA_HEADER) - TLV_HEADER
    this.#congestion = options.congestion
    this.#roundTrip = options.roundTrip
    this.#queue = options.queue
    this.#counters = options.counters
    this.#peerWindow = options.peerWindow
    this.#queue.interleaving = options.interleaving
    this.#queue.fragmentSize = options.maxPayload
    this.#queue.onPeerWindow(options.peerWindow)
    this.#outstanding = new Outstanding(options.initialTsn)
    this.#pacer = new Pacer(options.maxPayload)
    this.#advancedTsn = this.#outstanding.ackedTsn
    this.#rack = new Rack(options.roundTrip, this.#outstanding.ackedTsn)
  }

  /** Bytes of user data in flight. */
  get inFlight(): number {
    return this.#flight
  }

  get congestionWindow(): number {
    return this.#congestion.window
  }

  get peerWindow(): number {
    return this.#peerWindow
  }

  /** Whether all that was queued is acknowledged or given up. */
  get isDrained(): boolean {
    return this.#outstanding.count === 0 && this.#queue.isEmpty
  }

  /** The last TSN that was assigned, 32 bits. */
  get lastAssignedTsn(): number {
    return (this.#outstanding.nextTsn - 1) >>> 0
  }

  /** When `onTimer` is next to be called. */
  get nextAt(): Instant {
    const at = Math.min(this.#retransmitAt, this.#probeAt, this.#reorderAt)
    return this.#isPaced ? Math.min(at, this.#pacer.nextAt) : at
  }

  /** Whether `fill` would write something. */
  canSend(now: Instant): boolean {
    if (this.#forwardDue) return true
    this.#isPaced = false
    const lost = this.#lost.head
    if (lost !== undefined) return this.#mayRetransmit(lost) && this.#isTime(now)
    const message = this.#queue.current(now, this.#onExpired)
    return (
      message !== undefined &&
      this.#maySendNew(Math.min(message.data.length - message.taken, this.#maxPayload)) &&
      this.#isTime(now)
    )
  }

  #mayRetransmit(chunk: SentChunk): boolean {
    return this.#probing || this.#flight === 0 || this.#flight + chunk.length <= this.#congestion.window
  }

  /** Whether the pacer too lets go of something; it is asked last. */
  #isTime(now: Instant): boolean {
    if (this.#probing || this.#flight === 0 || this.#pacer.maySend(now)) return true
    this.#isPaced = true
    return false
  }

  #maySendNew(length: number): boolean {
    if (this.#outstanding.isFull || this.#flight >= this.#congestion.window) return false
    // RFC 9260 section 6.1 A: one chunk probes a closed window
    return this.#peerWindow >= length || this.#flight === 0
  }

  /** Writes what may be sent into `writer`: FORWARD TSN, what is sent again, what is new. */
  fill(writer: PacketWriter, now: Instant): void {
    if (this.#forwardDue) this.#writeForwardTsn(writer, now)
    for (let chunk = this.#lost.head; chunk !== undefined; chunk = this.#lost.head) {
      if (!this.#mayRetransmit(chunk) || writer.room < this.#header + chunk.length) return
      this.#lost.remove(chunk)
      this.#probing = false
      this.#counters.chunksRetransmitted++
      this.#write(writer, chunk, now)
    }
    if (this.#flight === 0 && this.#outstanding.count === 0 && this.#lastSentAt + this.#roundTrip.rto < now) {
      this.#leaveIdle(now)
    }
    for (;;) {
      const message = this.#queue.current(now, this.#onExpired)
      if (message === undefined) return
      const length = Math.min(message.data.length - message.taken, this.#maxPayload)
      if (writer.room < this.#header + length || !this.#maySendNew(length)) return
      this.#writeNew(writer, message, length, now)
    }
  }

  /** RFC 9260 section 7.2.1: the window shrinks once for each timeout in which nothing was sent. */
  #leaveIdle(now: Instant): void {
    if (this.#lastSentAt > Number.NEGATIVE_INFINITY) {
      const times = Math.min(MAX_IDLE_STEPS, (now - this.#lastSentAt) / this.#roundTrip.rto)
      for (let i = 1; i <= times; i++) this.#congestion.onIdle()
      this.#pacer.forget()
    }
    this.#lastSentAt = now
  }

  #writeNew(writer: PacketWriter, message: OutgoingMessage, length: number, now: Instant): void {
    const chunk = this.#outstanding.push()
    chunk.message = message
    chunk.offset = message.taken
    chunk.fragment = message.fragments
    chunk.length = length
    chunk.sends = 0
    chunk.flags = message.unordered ? DataFlag.unordered : 0
    if (message.taken === 0) {
      chunk.flags |= DataFlag.begin
      message.firstTsn = chunk.tsn
      numberMessage(message, this.#interleaving)
    }
    message.lastTsn = chunk.tsn
    if (message.taken + length === message.data.length) chunk.flags |= DataFlag.end
    this.#queue.take(message, length)
    this.#peerWindow = Math.max(0, this.#peerWindow - length)
    this.#counters.chunksSent++
    this.#write(writer, chunk, now)
  }

  #write(writer: PacketWriter, chunk: SentChunk, now: Instant): void {
    const { length } = chunk
    writeDataChunk(writer, chunk, this.#interleaving)
    chunk.sentAt = now
    chunk.sends++
    chunk.state = 'flying'
    this.#flying.append(chunk)
    this.#flight += length
    this.#pacer.onSent(length)
    this.#lastSentAt = now
    // RFC 9260 sections 6.3.2, rule R1, and 7.2.4, rule 4
    const isFirst = chunk.tsn === this.#outstanding.ackedTsn + 1
    if (isFirst || this.#retransmitAt === NEVER) this.#retransmitAt = now + this.#roundTrip.rto
    this.#armProbe(now)
  }

  #armProbe(now: Instant): void {
    const { smoothed, rto } = this.#roundTrip
    if (this.#probed || smoothed === 0) return
    // RFC 8985 section 7.2; a peer may delay the acknowledgement of a single packet
    const delay = 2 * smoothed + (this.#flying.head === this.#flying.tail ? rto / 2 : 2)
    this.#probeAt = now + delay
  }

  /** Takes a SACK. False where it cannot be true: it is then without effect. */
  onSack(now: Instant, sack: TlvIterator): boolean {
    if (sack.length < 12) return false
    const { bytes, valueStart: at } = sack
    const outstanding = this.#outstanding
    const before = outstanding.ackedTsn
    const cumulative = serial32.unwrap(readU32(bytes, at), before)
    const blocks = readU16(bytes, at + 8)
    const duplicates = readU16(bytes, at + 10)
    if (sack.length < 12 + 4 * (blocks + duplicates) || cumulative >= outstanding.nextTsn) return false
    // an old one, overtaken by a later
    if (cumulative < before) return true
    let lastEnd = cumulative
    for (let i = 0; i < blocks; i++) {
      const start = cumulative + readU16(bytes, at + 12 + 4 * i)
      const end = cumulative + readU16(bytes, at + 14 + 4 * i)
      if (start <= lastEnd || end < start || end >= outstanding.nextTsn) return false
      lastEnd = end
    }
    this.#acknowledge(now, cumulative, readU32(bytes, at + 4), at + 12, blocks, bytes)
    return true
  }

  /** Takes the cumulative TSN that a SHUTDOWN carries. False where it cannot be true. */
  onCumulative(now: Instant, tsn: number): boolean {
    const outstanding = this.#outstanding
    const cumulative = serial32.unwrap(tsn, outstanding.ackedTsn)
    if (cumulative >= outstanding.nextTsn) return false
    if (cumulative > outstanding.ackedTsn) {
      this.#acknowledge(now, cumulative, this.#peerWindow + this.#flight, 0, 0, NO_BYTES)
    }
    return true
  }

  /** All up to `cumulative` has come, and what the `blocks` gap blocks at `at` say. */
  #acknowledge(
    now: Instant,
    cumulative: number,
    window: number,
    at: number,
    blocks: number,
    bytes: Uint8Array,
  ): void {
    const outstanding = this.#outstanding
    const before = outstanding.ackedTsn
    const flightBefore = this.#flight
    let acked = 0
    for (let tsn = before + 1; tsn <= cumulative; tsn++) {
      const chunk = outstanding.at(tsn)
      acked += this.#ack(chunk, now)
      if (chunk.state === 'acked') this.#gapAcked--
      chunk.message = undefined
    }
    outstanding.ackedTsn = cumulative
    acked += this.#ackGaps(bytes, at, blocks, cumulative, now)
    if (this.#gapAcked > 0) this.#requireAgain()
    if (cumulative > before) {
      this.#roundTrip.progressed()
      this.#probed = false
      if (cumulative >= this.#recoveryTsn) this.#recovering = false
    }
    const { latest, min } = this.#roundTrip
    // that of a chunk sent again may be of its first copy (RFC 9260 section 6.3.1, rule C5): only where there is no other
    const rtt = latest || this.#rack.rtt
    if (acked > 0) {
      this.#pacer.onDelivered(now, acked)
      this.#congestion.onDelivered?.(now, acked, this.#newlyLost, flightBefore, rtt)
      this.#newlyLost = 0
    }
    if (acked > 0 && !this.#recovering) {
      this.#congestion.onAck(now, acked, flightBefore, rtt, min)
    }
    this.#peerWindow = Math.max(0, window - this.#flight)
    this.#queue.onPeerWindow(window)
    this.#pace(now)
    this.#detectLoss(now)
    this.#advance(now)
    this.#rearm(now, cumulative > before)
  }

  #pace(now: Instant): void {
    const { smoothed } = this.#roundTrip
    const congestion = this.#congestion
    const rate = congestion.pacingRate?.(smoothed) ?? (2 * congestion.window) / smoothed
    this.#pacer.setRate(now, rate, smoothed)
  }

  /** Notes the gap blocks. Blocks that grew since the last SACK are read from where they grew. */
  #ackGaps(bytes: Uint8Array, at: number, blocks: number, cumulative: number, now: Instant): number {
    const starts: number[] = []
    const ends: number[] = []
    let acked = 0
    let known = 0
    for (let i = 0; i < blocks; i++) {
      const start = cumulative + readU16(bytes, at + 4 * i)
      const end = cumulative + readU16(bytes, at + 4 * i + 2)
      while (known < this.#previousEnds.length && this.#previousEnds[known]! < start) known++
      const isKnown = known < this.#previousEnds.length && this.#previousStarts[known]! <= start
      for (let tsn = isKnown ? this.#previousEnds[known]! + 1 : start; tsn <= end; tsn++) {
        acked += this.#ack(this.#outstanding.at(tsn), now)
      }
      starts.push(start)
      ends.push(end)
    }
    this.#previousStarts = starts
    this.#previousEnds = ends
    return acked
  }

  /** The peer has `chunk`. Answers the bytes that this acknowledges for the first time. */
  #ack(chunk: SentChunk, now: Instant): number {
    if (chunk.state === 'flying') {
      this.#flying.remove(chunk)
      this.#flight -= chunk.length
    } else if (chunk.state === 'lost') {
      this.#lost.remove(chunk)
    } else {
      return 0
    }
    chunk.state = 'acked'
    this.#gapAcked++
    this.#rack.onAcked(chunk, now)
    return chunk.length
  }

  /** RFC 8985 section 6.2: what was sent well before something that has come is lost. */
  #detectLoss(now: Instant): void {
    this.#reorderAt = NEVER
    const window = this.#rack.reorderWindow(this.#recovering, this.#gapAcked)
    for (let chunk = this.#flying.head; chunk !== undefined;) {
      const { next } = chunk
      const lostAt = this.#rack.lostAt(chunk, window)
      if (lostAt > now) {
        this.#reorderAt = lostAt
        return
      }
      if (chunk.tsn > this.#recoveryTsn) {
        this.#recoveryTsn = this.#outstanding.nextTsn - 1
        this.#recovering = true
        this.#congestion.onLoss(now)
      }
      this.#newlyLost += chunk.length
      // giving up a message takes its other chunks off the list too: start over
      if (this.#lose(chunk, now)) chunk = this.#flying.head
      else chunk = next
    }
  }

  /** `chunk` is lost. True where its message was given up for it. */
  #lose(chunk: SentChunk, now: Instant): boolean {
    this.#flying.remove(chunk)
    this.#flight -= chunk.length
    chunk.state = 'lost'
    this.#lost.append(chunk)
    const message = chunk.message!
    const expired = chunk.sends > message.maxRetransmits || message.expiresAt < now
    if (!expired || !this.#mayAbandon(message)) return false
    this.#abandon(message)
    return true
  }

  #mayAbandon(message: OutgoingMessage): boolean {
    return this.#forwardTsn && (message.taken === message.data.length || this.#outstanding.hasRoomForEnd)
  }

  /** RFC 3758 section 3.5, A3. */
  #abandon(message: OutgoingMessage): void {
    message.abandoned = true
    this.#counters.messagesAbandoned++
    if (message.taken < message.data.length) this.#endHalfSent(message)
    const from = Math.max(message.firstTsn, this.#outstanding.ackedTsn + 1)
    for (let tsn = from; tsn <= message.lastTsn; tsn++) {
      const chunk = this.#outstanding.at(tsn)
      // with interleaving, those of others lie in between
      if (chunk.message !== message) continue
      if (chunk.state === 'flying') {
        this.#flying.remove(chunk)
        this.#flight -= chunk.length
      } else if (chunk.state === 'lost') {
        this.#lost.remove(chunk)
      } else if (chunk.state === 'acked') {
        this.#gapAcked--
      }
      chunk.state = 'abandoned'
    }
  }

  /**
   * The rest of a message is not to be sent. A TSN stands for it that is never sent, or a peer that has all that was sent
   * would acknowledge it, get no FORWARD TSN, and wait for the rest for ever.
   */
  #endHalfSent(message: OutgoingMessage): void {
    this.#queue.dropRest(message)
    const chunk = this.#outstanding.push()
    chunk.message = message
    chunk.length = 0
    chunk.sends = 0
    chunk.state = 'abandoned'
    message.lastTsn = chunk.tsn
  }

  /** RFC 3758 section 3.5, C1 to C3. */
  #advance(now: Instant): void {
    const outstanding = this.#outstanding
    const from = Math.max(this.#advancedTsn, outstanding.ackedTsn)
    let to = from
    while (to + 1 < outstanding.nextTsn && outstanding.at(to + 1).state === 'abandoned') to++
    this.#advancedTsn = to
    if (to <= outstanding.ackedTsn) {
      this.#forwardDue = false
      return
    }
    // what did not fit goes where the peer has taken what did
    const isTaken = outstanding.ackedTsn >= this.#forwardedTsn
    // the one before may be lost, and the peer holds back all that is behind it
    const { smoothed, rto } = this.#roundTrip
    const again = smoothed === 0 ? rto : Math.min(rto, FORWARD_AGAIN * smoothed)
    if (to > from || isTaken || now - this.#forwardSentAt >= again) this.#forwardDue = true
  }

  #writeForwardTsn(writer: PacketWriter, now: Instant): void {
    const to = writeForwardTsn(writer, this.#outstanding, this.#advancedTsn, this.#interleaving)
    if (to === undefined) return
    this.#forwardDue = false
    this.#forwardSentAt = now
    this.#forwardedTsn = to
    if (this.#retransmitAt === NEVER) this.#retransmitAt = now + this.#roundTrip.rto
  }

  #rearm(now: Instant, progress: boolean): void {
    if (this.#outstanding.count === 0) {
      this.#retransmitAt = NEVER
      this.#probeAt = NEVER
      this.#reorderAt = NEVER
      return
    }
    if (!progress) return
    // RFC 9260 section 6.3.2, rule R3
    this.#retransmitAt = now + this.#roundTrip.rto
    if (this.#flying.head === undefined) this.#probeAt = NEVER
    else this.#armProbe(now)
  }

  /** A timer may have run out. True where it was the retransmission timer (T3-rtx). */
  onTimer(now: Instant): boolean {
    if (this.#reorderAt <= now) {
      this.#detectLoss(now)
      this.#advance(now)
    }
    if (this.#probeAt <= now) this.#probe(now)
    if (this.#retransmitAt > now) return false
    this.#onTimeout(now)
    return true
  }

  #probe(now: Instant): void {
    this.#probeAt = NEVER
    this.#probed = true
    const last = this.#flying.tail
    if (last === undefined || this.#lost.head !== undefined) return
    // what may not be sent again is not given up because its acknowledgement is late
    if (last.sends > last.message!.maxRetransmits) return
    this.#counters.probes++
    this.#lose(last, now)
    this.#probing = this.#lost.head !== undefined
    this.#advance(now)
  }

  #onTimeout(now: Instant): void {
    this.#counters.timeouts++
    this.#roundTrip.backOff()
    this.#congestion.onTimeout(now)
    this.#pacer.forget()
    this.#recoveryTsn = this.#outstanding.nextTsn - 1
    this.#recovering = false
    this.#probeAt = NEVER
    this.#reorderAt = NEVER
    this.#probed = true
    this.#requireAgain()
    for (let chunk = this.#flying.head; chunk !== undefined; chunk = this.#flying.head) this.#lose(chunk, now)
    if (this.#advancedTsn > this.#outstanding.ackedTsn) this.#forwardDue = true
    this.#advance(now)
    this.#retransmitAt = now + this.#roundTrip.rto
  }

  /**
   * A peer may take back what only gap blocks acknowledged (RFC 9260 section 6.2). That a block is missing proves nothing, for a
   * SACK may be too small for all; that the cumulative TSN stops short of such a chunk does.
   */
  #requireAgain(): void {
    const outstanding = this.#outstanding
    const first = outstanding.ackedTsn + 1
    if (outstanding.count === 0 || outstanding.at(first).state !== 'acked') return
    for (let tsn = first; tsn < outstanding.nextTsn; tsn++) {
      const chunk = outstanding.at(tsn)
      if (chunk.state !== 'acked') continue
      chunk.state = 'lost'
      this.#lost.append(chunk)
      this.#gapAcked--
    }
    this.#previousStarts = []
    this.#previousEnds = []
  }
}
