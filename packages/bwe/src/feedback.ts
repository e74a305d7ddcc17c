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
