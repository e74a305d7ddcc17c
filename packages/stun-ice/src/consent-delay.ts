import type { Instant } from '@str0m/sans-io'
import type { AgentContext } from './agent-context.ts'

/** Consent is checked at multiples of this on the caller's clock, ms, where the spread of RFC 7675 section 5.1 allows it. */
const KEEPALIVE_GRID = 250

/** How long after `now` consent is next asked for, ms: RFC 7675 section 5.1. */
export function consentDelay(
  { crypto, timing }: Pick<AgentContext, 'crypto' | 'timing'>,
  now: Instant,
): number {
  const { consentInterval } = timing
  const [high, low] = crypto.randomBytes(2)
  const chance = (high! * 256 + low!) / 65_536
  const soonest = now + 0.8 * consentInterval
  const latest = now + 1.2 * consentInterval
  // of many agents on one clock, those whose time is near are woken together: a wake-up costs more than a check
  const first = Math.ceil(soonest / KEEPALIVE_GRID)
  const count = Math.floor(latest / KEEPALIVE_GRID) - first + 1
  if (count < 1) return 0.8 * consentInterval + chance * (latest - soonest)
  return (first + Math.floor(chance * count)) * KEEPALIVE_GRID - now
}
