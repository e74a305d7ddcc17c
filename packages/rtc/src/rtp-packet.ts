import {
  type ExtensionIds,
  type HeaderExtensions,
  isKeyframeStart,
  readHeaderExtensions,
  type RtpHeader,
} from '@str0m/rtp'
import { datagramBytes, type Instant, type Mid, type Rid, type Ssrc } from '@str0m/sans-io'
import type { Codec } from './codec.ts'

/** Asks a packet for `#share`: not for its users. */
let share: (packet: RtpPacket) => Uint8Array | undefined

/**
 * The bytes of a packet that is forwarded, which nobody else has and nobody changes: a copy, for all the streams that it goes out on. `undefined` at the first
 * call: a packet that is forwarded once needs none.
 */
export function sharedBytes(packet: RtpPacket): Uint8Array | undefined {
  return share(packet)
}

/** What a packet has of the section that it came in. A `Media` is one. */
export interface PacketSection {
  readonly mid: Mid
  readonly extensionIds: ExtensionIds
}

/** A packet that came in, in RTP mode: an event. */
export class RtpPacket {
  readonly type = 'rtpPacket'
  readonly mid: Mid
  /** Which of several encodings it is of. */
  readonly rid: Rid | undefined
  readonly codec: Codec
  /** That of the stream, also where the packet came as a retransmission. */
  readonly header: RtpHeader
  /** The decrypted packet; `header` says where its payload is. Yours; what you change after it is forwarded need not go out. */
  readonly bytes: Uint8Array
  readonly receivedAt: Instant
  /**
   * What the sender's wall clock showed at the packet's timestamp: milliseconds since 1970, by its last sender report (RFC 3550 section 6.4.1);
   * `undefined` before the first. All streams of one sender have the same clock.
   */
  readonly captureTime: number | undefined
  /**
   * The same on the clock that `receivedAt` is of: free of the jitter of its way, and with one offset for all streams of one sender. `undefined` before the first
   * report, and where the report does not fit when packets came.
   */
  readonly capturedAt: Instant | undefined
  /** Whether it is a packet that was lost, and was sent again. */
  readonly retransmitted: boolean
  static {
    share = (packet) => packet.#share()
  }

  readonly #ids: ExtensionIds
  #forwarded = false
  #shared: Uint8Array | undefined
  #extensions: HeaderExtensions | undefined

  constructor(
    { mid, extensionIds }: PacketSection,
    rid: Rid | undefined,
    codec: Codec,
    header: RtpHeader,
    bytes: Uint8Array,
    receivedAt: Instant,
    captureTime: number | undefined,
    capturedAt: Instant | undefined,
    retransmitted: boolean,
  ) {
    this.mid = mid
    this.rid = rid
    this.codec = codec
    this.header = header
    this.bytes = bytes
    this.receivedAt = receivedAt
    this.captureTime = captureTime
    this.capturedAt = capturedAt
    this.retransmitted = retransmitted
    this.#ids = extensionIds
  }

  get ssrc(): Ssrc {
    return this.header.ssrc
  }

  #share(): Uint8Array | undefined {
    if (this.#shared === undefined && this.#forwarded) {
      this.#shared = datagramBytes(this.bytes.length)
      this.#shared.set(this.bytes)
    }
    this.#forwarded = true
    return this.#shared
  }

  /** Without padding. A view. */
  get payload(): Uint8Array {
    const { payloadStart, payloadLength } = this.header
    return this.bytes.subarray(payloadStart, payloadStart + payloadLength)
  }

  /** The header extensions that are understood. */
  get extensions(): HeaderExtensions {
    this.#extensions ??= readHeaderExtensions(this.bytes, this.header, this.#ids)
    return this.#extensions
  }

  /** Whether a keyframe begins with it: a decoder can join here. Always true for audio. */
  get startsKeyframe(): boolean {
    return isKeyframeStart(this.codec.name, this.payload)
  }
}
