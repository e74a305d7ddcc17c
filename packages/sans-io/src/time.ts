import { UsageError } from './errors.ts'

/**
 * Milliseconds on any monotonic clock that the caller chooses. May have a fraction.
 * `performance.now()` is one such clock, the virtual clock of `@str0m/netem` another.
 */
export type Instant = number

/** The answer of a machine that needs no wake-up. */
export const NEVER: Instant = Number.POSITIVE_INFINITY

/**
 * What a machine takes for the time that is given, where it has seen `seen`: an earlier one counts as the latest seen. Throws a `UsageError`
 * (`invalid-time`) for what is no number, and for `NEVER`, which a drained machine may have answered: after either nothing would ever be due.
 */
export function latestInstant(seen: Instant, now: Instant): Instant {
  if (typeof now !== 'number' || !(now < NEVER)) {
    throw new UsageError('invalid-time', `now is milliseconds on a monotonic clock, not ${String(now)}`)
  }
  return Math.max(seen, now)
}

/**
 * Ties the caller's monotonic clock to the calendar: at `now` on that clock it was `unixTime`.
 * Machines that need wall-clock time (NTP stamps, certificate dates) take one at construction.
 */
export interface WallClock {
  readonly now: Instant
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  readonly unixTime: number
}

/** Milliseconds since 1970 at the instant `now`. */
export function unixTimeAt(clock: WallClock, now: Instant): number {
  return clock.unixTime + (now - clock.now)
}
