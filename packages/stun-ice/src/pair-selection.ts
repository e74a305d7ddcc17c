import type { Instant } from '@str0m/sans-io'
import type { CandidatePair } from './candidate-pair.ts'

/** Valid pairs that are kept up by consent checks beside the selected one, to fall back on. */
const BACKUP_PAIRS = 2
/** Consent intervals without an answer before another pair is preferred: one lost check never is enough. */
export const UNANSWERED_INTERVALS = 2.5

/** How the valid pairs of an agent are compared at one instant. */
export interface SelectionRules {
  /** A pair that was last answered before this has fallen silent. */
  readonly answeredAfter: Instant
  /** So has one that is in doubt since then. */
  readonly doubtedBefore: Instant
  /** A lite agent sends on nominated pairs alone, RFC 8445 section 8.2. */
  readonly nominatedOnly: boolean
}

function answers({ answeredAt, doubtedAt }: CandidatePair, rules: SelectionRules): boolean {
  const isDoubtful = doubtedAt > answeredAt && doubtedAt <= rules.doubtedBefore
  return answeredAt > rules.answeredAfter && !isDoubtful
}

/**
 * The pair to send on. Among the valid ones: those that answer over silent ones, then nominated over others (RFC
 * 8445 section 12.1 has data sent on any valid pair before nomination), then the highest priority, which is also
 * RFC 8445 section 8.1.1 for several nominated ones.
 */
export function selectPair(
  pairs: readonly CandidatePair[],
  rules: SelectionRules,
): CandidatePair | undefined {
  return best(pairs, (pair) => {
    if (!pair.valid || (rules.nominatedOnly && !pair.nominated)) return -1
    return (answers(pair, rules) ? 2 : 0) + (pair.nominated ? 1 : 0)
  })
}

/** The pair that a controlling agent would nominate now: one that answers, of the highest priority. */
export function pairToNominate(
  pairs: readonly CandidatePair[],
  rules: SelectionRules,
): CandidatePair | undefined {
  return best(pairs, (pair) => (pair.valid ? (answers(pair, rules) ? 1 : 0) : -1))
}

/** Marks the selected pair and the next best valid ones as maintained, and no others. */
export function markMaintained(pairs: readonly CandidatePair[], selected: CandidatePair | undefined): void {
  let backups = BACKUP_PAIRS
  for (const pair of pairs) pair.maintained = pair === selected || (pair.valid && backups-- > 0)
}

/** The first of the highest rank, of pairs in the order of priority. A negative rank is out. */
function best(
  pairs: readonly CandidatePair[],
  rank: (pair: CandidatePair) => number,
): CandidatePair | undefined {
  let found: CandidatePair | undefined
  let highest = -1
  for (const pair of pairs) {
    const value = rank(pair)
    if (value > highest) {
      found = pair
      highest = value
    }
  }
  return found
}
