import type { Ssrc } from '@str0m/sans-io'

/**
 * What a receiver tells of the packets that came, as in its RTCP (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).
 * `TransportFeedback` of `@str0m/rtp` is one.
 */
export interface Feedback {
  /** The sequence number that `deltas[0]` is of. 16 bits. */
  readonly baseSequence: number
  /** In units of 64 ms, on the receiver's clock; 24 bits, signed. */
  readonly referenceTime: number
  /** Of packets that came, the time since the one before (the first: since the reference time), in units of 250 µs; `undefined`: it had not come. */
  readonly deltas: readonly (number | undefined)[]
}

/**
 * What a receiver tells of the packets that came, stream by stream, as in its RTCP (RFC 8888 section 3.1). `CongestionControlFeedback` of `@str0m/rtp`
 * is one.
 */
export interface StreamFeedback {
  /** When it was made, on the receiver's clock: in units of 1/65536 s, 32 bits. */
  readonly reportTimestamp: number
  readonly streams: readonly {
    readonly ssrc: Ssrc
    /** The sequence number that `arrivalOffsets[0]` is of. 16 bits. */
    readonly beginSequence: number
    /** How long before the report each packet came, in units of 1/1024 s; 0x1ffe and above: it is not known. `undefined`: it had not come. */
    readonly arrivalOffsets: readonly (number | undefined)[]
  }[]
}
