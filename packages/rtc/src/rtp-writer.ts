import type { Forwarder, ForwarderStatistics, HeaderExtensions } from '@str0m/rtp'
import { isBytes, type Instant, type Pt, type Rid, type Ssrc, UsageError } from '@str0m/sans-io'
import type { Codec } from './codec.ts'
import type { RtpPacket } from './rtp-packet.ts'

/** What a packet says beside its payload. */
export interface RtpFields {
  /** One of `media.codecs`; it goes out with that codec's `sendPt`. */
  readonly pt: Pt
  /** 16 bits. Each is used once: encryption depends on it (RFC 3711 section 9.1). */
  readonly sequenceNumber: number
  /** 32 bits. */
  readonly timestamp: number
  /** Default false. */
  readonly marker?: boolean
  /** Contributing sources, 15 at most, 32 bits each. */
  readonly csrcs?: readonly Ssrc[]
  /** Beside the mid and the rid, which are always sent where the peer knows them. Those that were not negotiated are left out. */
  readonly extensions?: HeaderExtensions
  /** When what has this timestamp was captured, for the sender reports. Default: now. A forwarded packet has it where its sender reported it. */
  readonly capturedAt?: Instant | undefined
}

/** Sends a packet: what `RtpWriter.write` answers and throws. */
export type WritePacket = (fields: RtpFields, payload: Uint8Array) => boolean

/** Sends packets with the sequence numbers and timestamps that it is given. Made by `Media.rtpWriter`. */
export class RtpWriter {
  readonly rid: Rid | undefined
  readonly #write: WritePacket

  constructor(rid: Rid | undefined, write: WritePacket) {
    this.rid = rid
    this.#write = write
  }

  /**
   * Sends a packet, whose payload is copied. False where it was not sent since the peer is not connected, or there is no path to it any more. Throws a `UsageError`: `closed`, `not-sending`, `unknown-rid`, `unknown-payload-type`,
   * `invalid-packet` (what is no bytes, too large for a datagram, or fields out of range), `sequence-number-used` (before, or so far back that it cannot be told),
   * `too-many-streams` (the stream is new, after 65,535 others).
   */
  write(fields: RtpFields, payload: Uint8Array): boolean {
    if (!isBytes(payload)) throw new UsageError('invalid-packet', 'The payload of a packet is a Uint8Array')
    if (typeof fields !== 'object' || fields === null) {
      throw new UsageError('invalid-packet', 'A packet has fields: { pt, sequenceNumber, timestamp }')
    }
    return this.#write(fields, payload)
  }
}

/** Sends a packet on: what `PacketForwarder.forward` answers and throws. */
export type ForwardPacket = (packet: RtpPacket) => boolean

/**
 * Sends on what other peers sent: packets of one source at a time, with sequence numbers and timestamps of its own, so that the receiver sees one
 * unbroken stream. Where another source is selected (another encoding, another speaker), it takes over at its next keyframe. Made by `Media.forwarder`.
 */
export class PacketForwarder {
  readonly codec: Codec
  readonly rid: Rid | undefined
  readonly #forwarder: Forwarder
  readonly #forward: ForwardPacket

  /** `forwarder`: what says which packets go out, and numbers them. */
  constructor(codec: Codec, rid: Rid | undefined, forwarder: Forwarder, forward: ForwardPacket) {
    this.codec = codec
    this.rid = rid
    this.#forwarder = forwarder
    this.#forward = forward
  }

  /** The source that is wanted; `undefined`: none. */
  get selected(): Ssrc | undefined {
    return this.#forwarder.selected
  }

  /** The source whose packets go out now. */
  get current(): Ssrc | undefined {
    return this.#forwarder.current
  }

  /**
   * Whether the selected source waits for a keyframe, to join or to bring a spatial layer that is wanted: ask its sender for one
   * (`media.requestKeyframe('pli', ssrc)` of that peer).
   */
  get needsKeyframe(): boolean {
    return this.#forwarder.needsKeyframe
  }

  /** The highest temporal layer that goes out, 0 to 7, where packets tell theirs: of VP8, VP9, and with the dependency descriptor of all codecs. Default 7: all. Throws a `UsageError` (`invalid-option`) for another. */
  get maxTemporalLayer(): number {
    return this.#forwarder.maxTemporalLayer
  }

  set maxTemporalLayer(layer: number) {
    this.#forwarder.maxTemporalLayer = layer
  }

  /** The highest spatial layer that goes out, 0 to 7, where packets tell theirs: of VP9, and with the dependency descriptor. More need a keyframe. Default 7: all. Throws a `UsageError` (`invalid-option`) for another. */
  get maxSpatialLayer(): number {
    return this.#forwarder.maxSpatialLayer
  }

  set maxSpatialLayer(layer: number) {
    this.#forwarder.maxSpatialLayer = layer
  }

  get statistics(): Readonly<ForwarderStatistics> {
    return this.#forwarder.statistics
  }

  /** Wants this source from its next keyframe on; the one before goes on until then. `undefined`: none, at once. */
  select(ssrc: Ssrc | undefined): void {
    this.#forwarder.select(ssrc)
  }

  /**
   * Takes a packet of any of the sources, and sends it where it is of the one that goes out, and of its codec. False where nothing was sent. It is done at
   * the time at which the packet came (`receivedAt`), where that is later than the latest input here: peers which forward to each other
   * share one clock. Throws a `UsageError`: `closed`, `not-sending`, `unknown-rid` and `unknown-payload-type` (a later negotiation left it out),
   * `forwarder-replaced` (another one was made for the stream).
   */
  forward(packet: RtpPacket): boolean {
    return this.#forward(packet)
  }
}
