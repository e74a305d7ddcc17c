import { type Instant, NEVER, readU16, readU32, serial32, writeU16, writeU32 } from '@str0m/sans-io'
import { InterleavedReassembly } from './interleaved-reassembly.ts'
import { type Reassembler, Reassembly } from './reassembly.ts'
import { MAX_TSN_AHEAD, ReceivedTsns } from './received-tsns.ts'
import type { RoundTrip } from './round-trip.ts'
import type { IncomingMessage } from './stream-order.ts'
import { countDrop, type Counters } from './statistics.ts'
import {
  ChunkType,
  DATA_HEADER,
  DataFlag,
  FORWARD_UNORDERED,
  I_DATA_HEADER,
  TLV_HEADER,
} from './wire/constants.ts'
import type { PacketWriter } from './wire/packet.ts'
import { WindowTuner } from './window-tuner.ts'
import type { TlvIterator } from './wire/tlv.ts'

/** Packets with data that one acknowledgement may wait for, RFC 9260 section 6.2. */
const PACKETS_PER_SACK = 2
/**
 * As many where they come faster than `SPEED_TIME` ms one after the other and nothing was lost in the last `CALM_PACKETS`, so that the
 * window of a sender that counts acknowledgements is past its growth. More than the RFC's two: to encrypt and send one costs both ends as
 * much as a packet with data does.
 */
const PACKETS_PER_SACK_AT_SPEED = 4
const SPEED_TIME = 1
const CALM_PACKETS = 1024
/** What is held never exceeds the window this many times, not even for the chunk that is next in order. */
const MAX_WINDOW_FACTOR = 2

export interface ReceiverOptions {
  /** The TSN that the peer starts with. */
  readonly initialTsn: number
  /** Bytes that may be held. */
  readonly window: number
  readonly roundTrip: RoundTrip
  readonly maxMessageSize: number
  /** Whether the peer sends I-DATA (RFC 8260), and no DATA. */
  readonly interleaving: boolean
  readonly inboundStreams: number
  /** How long an acknowledgement may wait, ms. */
  readonly sackDelay: number
  readonly counters: Counters
  readonly deliver: (message: IncomingMessage) => void
}

/** What a DATA chunk leads to, beyond an acknowledgement. */
export type DataVerdict = 'ok' | 'no-user-data' | 'invalid-stream' | 'violation'

/** Takes DATA and FORWARD TSN chunks, and makes SACKs. TSNs within are unwrapped. */
export class DataReceiver {
  readonly #options: ReceiverOptions
  readonly #tsns: ReceivedTsns
  readonly #reassembly: Reassembler
  readonly #tuner: WindowTuner
  /** Bytes of user data in the packet that is being read. */
  #packetBytes = 0
  /** Bytes of a chunk's value before its user data. */
  readonly #header: number
  /** Packets with data since the last SACK. */
  #packets = 0
  /** When the first of them came. */
  #firstAt: Instant = 0
  /** Packets with data since there was a gap. */
  #calm = 0
  #immediate = false
  #sackAt: Instant = NEVER
  /** An incoming reset that waits for its last TSN (RFC 6525 section 5.2.2, E2). */
  #deferred: { readonly lastTsn: number; readonly streams: ReadonlySet<number> } | undefined

  constructor(options: ReceiverOptions) {
    this.#options = options
    this.#tsns = new ReceivedTsns(options.initialTsn - 1)
    const { interleaving, maxMessageSize, deliver } = options
    this.#tuner = new WindowTuner(options.window)
    this.#header = (interleaving ? I_DATA_HEADER : DATA_HEADER) - TLV_HEADER
    this.#reassembly = interleaving
      ? new InterleavedReassembly(maxMessageSize, deliver)
      : new Reassembly(maxMessageSize, deliver)
  }

  get heldBytes(): number {
    return this.#reassembly.heldBytes
  }

  /** The last TSN up to which all have come, 32 bits. */
  get cumulativeTsn(): number {
    return this.#tsns.cumulative >>> 0
  }

  get hasGaps(): boolean {
    return this.#tsns.hasGaps
  }

  /** When a SACK is due at the latest. */
  get sackAt(): Instant {
    return this.#sackAt
  }

  sackIsDue(now: Instant): boolean {
    return this.#immediate || this.#sackAt <= now
  }

  /** Whether a SACK that goes along with something else would say what is new. */
  get sackIsPending(): boolean {
    return this.#immediate || this.#packets > 0
  }

  requestSack(): void {
    this.#immediate = true
  }

  /** Takes the DATA or I-DATA chunk that `at` stands at. */
  onData(at: TlvIterator): DataVerdict {
    const { counters, interleaving } = this.#options
    const header = this.#header
    // RFC 8260 section 2.2.1: the one or the other
    if ((at.type === ChunkType.iData) !== interleaving) return 'violation'
    if (at.length < header) {
      countDrop(counters, 'malformed')
      return 'ok'
    }
    // RFC 9260 section 6.2: a chunk without data ends the association
    if (at.length === header) return 'no-user-data'
    counters.chunksReceived++
    const { bytes, valueStart, flags } = at
    const tsn = serial32.unwrap(readU32(bytes, valueStart), this.#tsns.cumulative)
    const stream = readU16(bytes, valueStart + 4)
    const verdict = this.#tsns.check(tsn)
    if (verdict !== 'new') {
      // every duplicate is answered at once: an acknowledgement may have been lost
      this.#immediate = true
      if (verdict === 'duplicate') this.#tsns.noteDuplicate(tsn)
      countDrop(counters, verdict === 'too-far' ? 'bad-tsn' : verdict)
      return 'ok'
    }
    const length = at.length - header
    if (!this.#hasRoom(tsn, length)) {
      this.#immediate = true
      countDrop(counters, 'window-full')
      return 'ok'
    }
    if (this.#deferred !== undefined && tsn > this.#deferred.lastTsn && this.#defers(stream)) {
      countDrop(counters, 'reset-pending')
      return 'ok'
    }
    this.#packetBytes += length
    const hadGaps = this.#tsns.hasGaps
    this.#tsns.add(tsn)
    if (hadGaps || this.#tsns.hasGaps) {
      this.#immediate = true
      this.#calm = 0
    } else if ((flags & DataFlag.immediate) !== 0) {
      this.#immediate = true
    }
    if (stream >= this.#options.inboundStreams) {
      // RFC 9260 section 6.5: acknowledged, and reported
      countDrop(counters, 'bad-stream')
      return 'invalid-stream'
    }
    const isFirst = (flags & DataFlag.begin) !== 0
    const taken = this.#reassembly.add({
      tsn,
      stream,
      sequence: interleaving ? readU32(bytes, valueStart + 8) : readU16(bytes, valueStart + 6),
      fragment: interleaving && !isFirst ? readU32(bytes, valueStart + 12) : 0,
      ppid: readU32(bytes, valueStart + header - 4),
      flags,
      data: bytes.subarray(valueStart + header, at.valueEnd),
    })
    return taken ? 'ok' : 'violation'
  }

  #hasRoom(tsn: number, length: number): boolean {
    const held = this.#reassembly.heldBytes
    const { window } = this.#options
    // what is next in order may let go of all that waits for it
    if (tsn === this.#tsns.cumulative + 1) return held + length <= MAX_WINDOW_FACTOR * window
    return held + length <= window
  }

  /** A packet with data has been taken whole. */
  endPacket(now: Instant): void {
    this.#packets++
    this.#tuner.onData(now, this.#packetBytes, this.#options.roundTrip.smoothed)
    this.#packetBytes = 0
    this.#calm++
    if (this.#packets === 1) this.#firstAt = now
    const { sackDelay } = this.#options
    if (this.#packets < PACKETS_PER_SACK) {
      this.#sackAt = Math.min(this.#sackAt, now + sackDelay)
    } else if (
      this.#packets < PACKETS_PER_SACK_AT_SPEED &&
      this.#calm >= CALM_PACKETS &&
      now - this.#firstAt < SPEED_TIME
    ) {
      this.#sackAt = Math.min(this.#sackAt, now + Math.min(SPEED_TIME, sackDelay))
    } else {
      this.#immediate = true
    }
  }

  /** Takes the FORWARD TSN (RFC 3758 section 3.6) or I-FORWARD-TSN (RFC 8260 section 2.3.1) that `at` stands at. */
  onForwardTsn(at: TlvIterator): void {
    const { counters, interleaving } = this.#options
    const entrySize = interleaving ? 8 : 4
    const isKind = (at.type === ChunkType.iForwardTsn) === interleaving
    if (!isKind || at.length < 4 || (at.length - 4) % entrySize !== 0) {
      countDrop(counters, 'malformed')
      return
    }
    this.#immediate = true
    const { cumulative } = this.#tsns
    const to = serial32.unwrap(readU32(at.bytes, at.valueStart), cumulative)
    if (to <= cumulative) return
    if (to - cumulative > MAX_TSN_AHEAD) {
      countDrop(counters, 'bad-tsn')
      return
    }
    this.#tsns.advance(to)
    this.#reassembly.forward(to)
    for (let entry = at.valueStart + 4; entry < at.valueEnd; entry += entrySize) {
      const stream = readU16(at.bytes, entry)
      if (stream >= this.#options.inboundStreams) countDrop(counters, 'bad-stream')
      else if (!interleaving) this.#reassembly.skip(stream, readU16(at.bytes, entry + 2), false)
      else {
        const unordered = (readU16(at.bytes, entry + 2) & FORWARD_UNORDERED) !== 0
        this.#reassembly.skip(stream, readU32(at.bytes, entry + 4), unordered)
      }
    }
  }

  /** Whether all up to `lastTsn` has come. Where it has not, the streams' later chunks are refused until `reset`. */
  deferReset(lastTsn: number, streams: readonly number[]): boolean {
    const last = serial32.unwrap(lastTsn, this.#tsns.cumulative)
    if (last <= this.#tsns.cumulative) return false
    this.#deferred = { lastTsn: last, streams: new Set(streams) }
    return true
  }

  #defers(stream: number): boolean {
    // none listed: all
    const streams = this.#deferred?.streams
    return streams !== undefined && (streams.size === 0 || streams.has(stream))
  }

  /** Whether a reset waits, and its last TSN has come. */
  get resetIsDue(): boolean {
    return this.#deferred !== undefined && this.#tsns.cumulative >= this.#deferred.lastTsn
  }

  /** Resets the streams listed, or all; answers which. */
  reset(streams: readonly number[]): readonly number[] {
    this.#deferred = undefined
    const ids = streams.length === 0 ? this.#reassembly.streamIds : streams
    this.#reassembly.reset(ids)
    return ids
  }

  /** Bytes of a SACK with all that there is to say. */
  get sackSize(): number {
    return TLV_HEADER + 12 + 4 * (this.#tsns.starts.length + this.#tsns.duplicates.length)
  }

  /** Adds a SACK, as many blocks as fit. */
  writeSack(writer: PacketWriter): void {
    const { starts, ends, duplicates, cumulative } = this.#tsns
    const { window } = this.#options
    const room = (writer.room - 12) >> 2
    const blocks = Math.min(starts.length, room)
    const repeated = Math.min(duplicates.length, room - blocks)
    const at = writer.chunk(ChunkType.sack, 0, 12 + 4 * (blocks + repeated))
    const { bytes } = writer
    writeU32(bytes, at, cumulative)
    writeU32(bytes, at + 4, Math.max(0, Math.min(this.#tuner.window, window - this.#reassembly.heldBytes)))
    writeU16(bytes, at + 8, blocks)
    writeU16(bytes, at + 10, repeated)
    let entry = at + 12
    for (let i = 0; i < blocks; i++, entry += 4) {
      writeU16(bytes, entry, starts[i]! - cumulative)
      writeU16(bytes, entry + 2, ends[i]! - cumulative)
    }
    for (let i = 0; i < repeated; i++, entry += 4) writeU32(bytes, entry, duplicates[i]!)
    duplicates.length = 0
    this.#packets = 0
    this.#immediate = false
    this.#sackAt = NEVER
  }
}
