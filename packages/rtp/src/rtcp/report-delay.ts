import type { Instant } from '@str0m/sans-io'

/** Units of a delay in reports, 1/65536 s (RFC 3550 section 6.4.1), in a millisecond. */
const UNITS_PER_MS = 65.536
/** Of 32 bits: so many units, some 18 hours, are as none. */
const CYCLE = 0x1_0000_0000
/** Milliseconds by which a peer that rounds its delay up may seem to have waited longer than it can have. */
const ROUNDING = 1

/** How long ago it was at `at`, in the units of reports; `undefined` where 32 bits do not hold it. */
export function delaySince(now: Instant, at: Instant): number | undefined {
  const delay = Math.max(0, Math.floor((now - at) * UNITS_PER_MS))
  return delay < CYCLE ? delay : undefined
}

/**
 * The round trip to a peer that answers at `now` what was sent at `sentAt`, and says that it waited for `delay` between: milliseconds. `undefined` for one that says that it
 * waited longer than it can have, or as long as can be said, which may be any longer.
 */
export function roundTripOf(now: Instant, sentAt: Instant, delay: number): number | undefined {
  if (delay >= CYCLE - 1) return undefined
  const measured = now - sentAt - delay / UNITS_PER_MS
  if (measured <= -ROUNDING) return undefined
  // the RFC calculates with 32 bits: of a delay that they do not hold, some peers say the rest
  const cycles = Math.floor(((measured + ROUNDING) * UNITS_PER_MS) / CYCLE)
  return Math.max(0, measured - (cycles * CYCLE) / UNITS_PER_MS)
}
