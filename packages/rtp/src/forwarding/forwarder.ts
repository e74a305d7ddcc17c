import { type Instant, serial32, type Ssrc, UsageError } from '@str0m/sans-io'
import { depacketizerFor } from '../codecs/depacketizer-for.ts'
import type { Depacketizer } from '../codecs/depacketizer.ts'
import type { WrittenExtensions } from '../header-extensions.ts'
import type { RtpHeader } from '../rtp-header.ts'
import type { ForwardFields, StreamTx, WrittenPacket } from '../stream-tx.ts'
import { DependencyRewriter } from './dependency-rewriter.ts'
import type { DescriptorRewriter, PacketPlace } from './descriptor-rewriter.ts'
import { RtpRewriter } from './rtp-rewriter.ts'
import { Vp8DescriptorRewriter } from './vp8-rewriter.ts'
import { Vp9DescriptorRewriter } from './vp9-rewriter.ts'

export interface ForwarderOptions {
  /** What the packets go out on. Its next sequence number is the first. */
  readonly stream: StreamTx
  /** The encoding name of what is forwarded, whatever its case. */
  readonly codec: string
  /** Hertz. */
  readonly clockRate: number
  /** Of the first packet that goes out: random, RFC 3550 section 5.1. */
  readonly timestamp: number
  /** What numbered the stream before, as of another codec: times and frame numbers go on from there, and `timestamp` does not count. It is not to be used any more. */
  readonly after?: Forwarder | undefined
}

/** Packets that may have overtaken the first one of a keyframe: half a second of a 3 Mbit/s stream. */
export const MAX_HELD_PACKETS: number = 128
/**
 * Milliseconds by which the times of capture of two sources may lie otherwise to each other than the times at which they came, for timestamps to be joined
 * by the former: a reporter may say anything, and what it says is not to become a pause of hours.
 */
export const MAX_JOIN_DEVIATION: number = 1000

interface HeldPacket {
  readonly bytes: Uint8Array
  readonly header: RtpHeader
  readonly capturedAt: Instant | undefined
  readonly extensions: WrittenExtensions | undefined
  readonly dependency: Dependency | undefined
}

/** The dependency descriptor of a packet, and what it goes out with. */
export interface Dependency {
  /** The bytes of the header extension. */
  readonly descriptor: Uint8Array
  /** All extensions of the packet that goes out, this one as it is given. */
  extensionsWith(descriptor: Uint8Array): WrittenExtensions | undefined
}

/** How a packet goes out. */
export interface ForwardingFields {
  readonly pt: number
  /** Without a dependency descriptor. */
  readonly extensions?: WrittenExtensions | undefined
  /** Where the packet has one. */
  readonly dependency?: Dependency | undefined
  /** Whether the packet is of another codec than what is forwarded: it does not go out. Default false. */
  readonly otherCodec?: boolean
  /** Whether the packet was lost, and was sent again: if it is far off, it is late, and no restart of its source. Default false. */
  readonly repeated?: boolean
}

export interface ForwarderStatistics {
  packetsForwarded: number
  /** Packets of another source than the one that is forwarded, or of before its keyframe, held ones with them. */
  packetsOfOtherSources: number
  /** Packets that came too late, twice, or far off. */
  packetsRefused: number
  /** Packets of layers that are not wanted and of other codecs, malformed ones and padding. */
  packetsLeftOut: number
  /** Places of those that were filled with padding, since later packets had gone already. */
  placesFilled: number
  /** How often a source joined, the first with them. */
  switches: number
}

/**
 * Forwards one source at a time to one receiver, as an unbroken stream: what an SFU has for each subscriber and track. The source may
 * change (another simulcast layer, another speaker): the new one joins at its next keyframe, and until then the one before goes on.
 *
 * All sources have one codec. A dependency descriptor says which layers a packet is of, and goes on with it, where the payload's own does not say it: of all codecs
 * but VP9, and VP8 with picture ids.
 */
export class Forwarder {
  readonly statistics: ForwarderStatistics = {
    packetsForwarded: 0,
    packetsOfOtherSources: 0,
    packetsRefused: 0,
    packetsLeftOut: 0,
    placesFilled: 0,
    switches: 0,
  }
  readonly #stream: StreamTx
  readonly #rewriter: RtpRewriter
  readonly #depacketizer: Depacketizer | undefined
  readonly #descriptors: DescriptorRewriter | undefined
  readonly #dependencies: DependencyRewriter
  /** Of the packet that is written: one for all. */
  readonly #out: { -readonly [K in keyof ForwardFields]: ForwardFields[K] } = {
    pt: 0,
    sequenceNumber: 0,
    timestamp: 0,
    marker: false,
    extensions: undefined,
    capturedAt: undefined,
  }
  readonly #clockRate: number
  /** Of the packet last looked at, where its layers are told by it. */
  #dependency: Dependency | undefined
  /** Of the packet that went out last: its timestamp, when that was, and when it was captured, where that is known. */
  #lastTimestamp = 0
  #lastAt: Instant = 0
  #lastCapturedAt: Instant | undefined
  #selected: Ssrc | undefined
  #paused = true
  /** Whether the selected source is to join at a keyframe, though it may be the one that is forwarded. */
  #rejoins = false
  /** Packets of the selected source, while it waits for a keyframe whose first packet may be late. */
  readonly #held: HeldPacket[] = []

  /** Throws a `UsageError` (`invalid-option`) where the clock rate is none. */
  constructor(options: ForwarderOptions) {
    const { stream, codec, clockRate, timestamp, after } = options
    this.#stream = stream
    this.#clockRate = clockRate
    this.#rewriter = new RtpRewriter({
      sequenceNumber: stream.sequenceNumber,
      timestamp: after === undefined ? timestamp : after.#rewriter.newestTimestamp,
      timestampAt: after === undefined ? undefined : after.#rewriter.newestTimestampAt,
      clockRate,
    })
    this.#dependencies = new DependencyRewriter(after === undefined ? undefined : after.#dependencies.numbers)
    if (after !== undefined) {
      this.#lastTimestamp = after.#lastTimestamp
      this.#lastAt = after.#lastAt
      this.#lastCapturedAt = after.#lastCapturedAt
    }
    this.#depacketizer = depacketizerFor(codec)
    this.#descriptors = descriptorRewriterFor(codec)
  }

  /** The source that is wanted; `undefined`: none, nothing goes out. */
  get selected(): Ssrc | undefined {
    return this.#selected
  }

  /** The source that goes out now. */
  get current(): Ssrc | undefined {
    return this.#paused || this.#rejoins ? undefined : this.#rewriter.source
  }

  /** Whether the selected source waits for a keyframe, to join or to bring a spatial layer that is wanted: it is to be asked for one. */
  get needsKeyframe(): boolean {
    if (this.#selected === undefined) return false
    return this.#isJoining || this.#dependencies.missesLayer || this.#descriptors?.missesLayer === true
  }

  get #isJoining(): boolean {
    return this.current !== this.#selected
  }

  /**
   * The highest temporal layer that goes out, 0 to 7, where the codec's descriptor (VP8, VP9) or the dependency descriptor tells them. Default 7: all. Throws a
   * `UsageError` (`invalid-option`) for another.
   */
  get maxTemporalLayer(): number {
    return this.#dependencies.maxTemporalLayer
  }

  set maxTemporalLayer(layer: number) {
    this.#dependencies.maxTemporalLayer = layer
    if (this.#descriptors !== undefined) this.#descriptors.maxTemporalLayer = layer
  }

  /**
   * The highest spatial layer that goes out, 0 to 7, where one source has several and the codec's descriptor (VP9) or the dependency descriptor tells them. It is
   * lower at once; for more most streams need a keyframe: see `needsKeyframe`. Default 7: all. Throws a `UsageError` (`invalid-option`) for another.
   */
  get maxSpatialLayer(): number {
    return this.#dependencies.maxSpatialLayer
  }

  set maxSpatialLayer(layer: number) {
    this.#dependencies.maxSpatialLayer = layer
    if (this.#descriptors !== undefined) this.#descriptors.maxSpatialLayer = layer
  }

  /**
   * What a timestamp of the source that goes out becomes; `undefined` while none does. A sender report that states the source's wall clock and this
   * timestamp keeps its sound and its picture together.
   */
  mapTimestamp(timestamp: number): number | undefined {
    return this.current === undefined ? undefined : this.#rewriter.mapTimestamp(timestamp)
  }

  /** Wants this source from its next keyframe on; `undefined`: none, at once. The one that goes out already goes on. */
  select(ssrc: Ssrc | undefined): void {
    if (ssrc === undefined) this.#paused = true
    else if (this.#paused) {
      this.#paused = false
      this.#rejoins = true
    }
    if (ssrc !== this.#selected) this.#held.length = 0
    this.#selected = ssrc
  }

  /**
   * Takes a packet of any of the sources, whose header is `header`. Answers the packet to be sent, in a buffer with room for `overhead` bytes
   * more, or `undefined` where nothing goes out. `bytes` are not to be changed after: they may be held for `pollHeld`. Throws a `UsageError` (`invalid-option`) where `fields.pt` is no payload type.
   *
   * `capturedAt` is when the packet's timestamp was captured, on the clock of `now` and by the sender reports of its source, where there are some: the sender
   * reports of the stream that goes out say the same. Where it is known of both the source before and the one that joins, the timestamps of the two lie to each other as
   * their times of capture do, so that what the reports say is as true after a switch as before; else, and where the two deviate by more than
   * `MAX_JOIN_DEVIATION` from how they came, as the times at which they came.
   */
  handlePacket(
    now: Instant,
    bytes: Uint8Array,
    header: RtpHeader,
    fields: ForwardingFields,
    overhead: number,
    capturedAt?: Instant,
  ): WrittenPacket | undefined {
    checkPayloadType(fields.pt)
    const rewriter = this.#rewriter
    if (header.ssrc !== this.current) {
      const isOther = fields.otherCodec === true
      if (isOther || !this.#joins(bytes, header)) {
        this.statistics.packetsOfOtherSources++
        if (header.ssrc === this.#selected && !isOther) {
          const { extensions, dependency } = fields
          this.#hold({ bytes, header, capturedAt, extensions, dependency })
        }
        return undefined
      }
      if (!this.#wants(bytes, header, fields, 'joining')) return undefined
      rewriter.switchTo(now, header, this.#joinTimestamp(now, capturedAt))
      this.#rejoins = false
      this.statistics.switches++
      return this.#write(now, bytes, header, fields, overhead, capturedAt)
    }
    return this.#goOn(now, bytes, header, fields, overhead, capturedAt)
  }

  /**
   * The next packet that overtook the keyframe with which its source has just joined, or `undefined`: to be called until it answers so, after
   * each packet of `handlePacket`. Its header extensions are those that it came with there.
   */
  pollHeld(now: Instant, { pt }: Pick<ForwardingFields, 'pt'>, overhead: number): WrittenPacket | undefined {
    checkPayloadType(pt)
    while (this.#held.length > 0 && !this.#isJoining) {
      const { bytes, header, capturedAt, extensions, dependency } = this.#held.shift()!
      if (this.#rewriter.locate(header, true) === 'refused') continue
      this.statistics.packetsOfOtherSources--
      const written = this.#goOn(now, bytes, header, { pt, extensions, dependency }, overhead, capturedAt)
      if (written !== undefined) return written
    }
    return undefined
  }

  #hold(packet: HeldPacket): void {
    if (this.#held.length === MAX_HELD_PACKETS) this.#held.shift()
    this.#held.push(packet)
  }

  /** What a packet that was captured then goes out with, as the last one tells. */
  #joinTimestamp(now: Instant, capturedAt: Instant | undefined): number | undefined {
    if (capturedAt === undefined || this.#lastCapturedAt === undefined) return undefined
    const elapsed = capturedAt - this.#lastCapturedAt
    if (Math.abs(elapsed - (now - this.#lastAt)) > MAX_JOIN_DEVIATION) return undefined
    return serial32.add(this.#lastTimestamp, Math.round((elapsed * this.#clockRate) / 1000))
  }

  /** A packet of the source that goes out. */
  #goOn(
    now: Instant,
    bytes: Uint8Array,
    header: RtpHeader,
    fields: ForwardingFields,
    overhead: number,
    capturedAt: Instant | undefined,
  ): WrittenPacket | undefined {
    const rewriter = this.#rewriter
    const place = rewriter.locate(header, fields.repeated)
    if (place === 'refused') {
      this.statistics.packetsRefused++
      return undefined
    }
    if (!this.#wants(bytes, header, fields, place)) {
      if (!rewriter.drop(now, header)) return undefined
      this.statistics.placesFilled++
      return this.#stream.padding(now, this.#fields(fields, false, capturedAt), overhead)
    }
    if (!rewriter.take(now, header)) {
      this.statistics.packetsRefused++
      return undefined
    }
    return this.#write(now, bytes, header, fields, overhead, capturedAt)
  }

  #joins(bytes: Uint8Array, { ssrc, payloadStart, payloadLength }: RtpHeader): boolean {
    if (ssrc !== this.#selected || payloadLength === 0) return false
    const payload = bytes.subarray(payloadStart, payloadStart + payloadLength)
    return this.#depacketizer === undefined || this.#depacketizer.startsKeyframe(payload)
  }

  /** Whether a packet is of what is wanted; counts it where it is not. */
  #wants(
    bytes: Uint8Array,
    { payloadStart, payloadLength }: RtpHeader,
    { dependency, otherCodec }: ForwardingFields,
    place: PacketPlace,
  ): boolean {
    if (otherCodec === true) {
      this.statistics.packetsLeftOut++
      return false
    }
    const end = payloadStart + payloadLength
    const descriptors = this.#descriptors
    // where both tell, the two might not agree
    const isTold = dependency !== undefined && descriptors?.tellsLayers(bytes, payloadStart, end) === true
    this.#dependency = isTold ? undefined : dependency
    const wanted =
      payloadLength > 0 &&
      (this.#dependency === undefined || this.#dependencies.take(this.#dependency.descriptor, place)) &&
      (descriptors?.take(bytes, payloadStart, end, place) ?? true)
    if (!wanted) this.statistics.packetsLeftOut++
    return wanted
  }

  #fields(
    { pt, extensions }: ForwardingFields,
    marker: boolean,
    capturedAt: Instant | undefined,
  ): ForwardFields {
    const fields = this.#out
    fields.pt = pt
    fields.sequenceNumber = this.#rewriter.sequenceNumber
    fields.timestamp = this.#rewriter.timestamp
    fields.marker = marker
    fields.extensions = extensions
    fields.capturedAt = capturedAt
    return fields
  }

  #write(
    now: Instant,
    bytes: Uint8Array,
    header: RtpHeader,
    fields: ForwardingFields,
    overhead: number,
    capturedAt: Instant | undefined,
  ): WrittenPacket {
    const dependency = this.#dependency
    let marker = this.#descriptors?.marker(header.marker) ?? header.marker
    if (dependency !== undefined) marker = this.#dependencies.marker(marker)
    const out = this.#fields(fields, marker, capturedAt)
    if (dependency !== undefined) {
      this.#out.extensions = dependency.extensionsWith(this.#dependencies.rewrite(dependency.descriptor))
    }
    const written = this.#stream.forward(now, bytes, header, out, overhead)
    if (this.#descriptors !== undefined) {
      this.#descriptors.write(written.buffer, written.payloadStart)
      written.unchanged -= this.#descriptors.length
    }
    this.#lastTimestamp = out.timestamp
    this.#lastAt = now
    this.#lastCapturedAt = capturedAt
    this.statistics.packetsForwarded++
    return written
  }
}

/** Before anything changes: a number that was given out is not to be lost. */
function checkPayloadType(pt: number): void {
  if (pt >= 0 && pt <= 0x7f) return
  throw new UsageError('invalid-option', `A payload type is 0 to 127, not ${pt}`)
}

function descriptorRewriterFor(codec: string): DescriptorRewriter | undefined {
  switch (codec.toLowerCase()) {
    case 'vp8':
      return new Vp8DescriptorRewriter()
    case 'vp9':
      return new Vp9DescriptorRewriter()
    default:
      return undefined
  }
}
