import { serial32 } from '@str0m/sans-io'

/** Units after which the nearest of the timestamps that end in the same 32 bits need not be the right one: some 12 hours at 48 kHz, 6.6 at 90 kHz. */
const HALF_CYCLE = 0x8000_0000
/** By how much of the time that has passed a sender's clock may be fast or slow. */
const MAX_DRIFT = 0.001

/**
 * A timestamp of 32 bits, unwrapped, by one that was `elapsed` milliseconds before it. Of a stream that was silent for long it is the one that lies as much later: RFC 3550
 * section 5.1 has its clock go on meanwhile. Where it has not, and without a `clockRate` (hertz), it is the nearest.
 */
export function unwrapTimestamp(
  timestamp: number,
  before: number,
  elapsed: number,
  clockRate: number | undefined,
): number {
  const nearest = serial32.unwrap(timestamp, before)
  if (clockRate === undefined) return nearest
  const passed = Math.round((elapsed / 1000) * clockRate)
  if (passed < HALF_CYCLE) return nearest
  const due = before + passed
  const after = serial32.unwrap(timestamp, due)
  return Math.abs(after - due) <= MAX_DRIFT * passed ? after : nearest
}
