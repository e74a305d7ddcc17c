import type { Instant } from './time.ts'

/** Time has come to `now`. */
export interface TimeoutInput {
  readonly kind: 'timeout'
  readonly now: Instant
}

/** Bytes came at `now`. Protocols extend it with what they must know of a datagram. */
export interface ReceiveInput {
  readonly kind: 'receive'
  readonly now: Instant
  /** One datagram. It belongs to the machine from here on. */
  readonly contents: Uint8Array
}

/** Bytes to be sent. Protocols extend it with where they go. */
export interface TransmitOutput {
  readonly kind: 'transmit'
  /** One datagram. It belongs to the caller from here on; its `ArrayBuffer` may have others too: copy it (`slice`) before you transfer that. */
  readonly contents: Uint8Array
}

/** Something happened. `event` is a union discriminated by `type`. */
export interface EventOutput<E> {
  readonly kind: 'event'
  readonly event: E
}

/** The machine is drained; it next needs the time at `at` (`Infinity`: never; `-Infinity`: at once, of one that was given no time yet). */
export interface TimeoutOutput {
  readonly kind: 'timeout'
  readonly at: Instant
}

/** What `pollOutput` answers: an event of `E`, a datagram of `T`, or drained. */
export type Output<E, T extends TransmitOutput = TransmitOutput> = T | EventOutput<E> | TimeoutOutput

/**
 * A protocol without I/O. After any call that changes it, poll until it answers `timeout`:
 * that means drained. Time, randomness and cryptography come in from outside, so the same inputs
 * give the same outputs.
 */
export interface Machine<
  E,
  T extends TransmitOutput = TransmitOutput,
  I extends TimeoutInput | ReceiveInput = TimeoutInput | ReceiveInput,
> {
  /** Takes a datagram, or the time. What is in a datagram never throws; a `now` that is no number, or `Infinity`, is a `UsageError` (`invalid-time`). */
  handleInput(input: I): void
  /** What to do next. Poll until it answers `timeout`. */
  pollOutput(): Output<E, T>
}
