import { type Instant, NEVER } from '@str0m/sans-io'
import type { CandidatePair } from './candidate-pair.ts'
import type { Checklist } from './checklist.ts'
import { pairToNominate, type SelectionRules } from './pair-selection.ts'

/**
 * A nomination without an answer is repeated by a new check after this, ms, for as long as there is consent: the
 * retransmissions of one check are soon so far apart that a few losses hold the whole up.
 */
const REPEAT_AFTER = 1000

/** When the controlling agent nominates which pair: RFC 8445 section 8.1.1. */
export class Nomination {
  /** When to decide again, where nothing else happens before. */
  at: Instant = NEVER
  #repeatsAt: Instant = NEVER

  /**
   * The pair whose check with USE-CANDIDATE is to be sent now: the best that answers, as soon as no better one can
   * come or `waitUntil` has come. Later, a better pair that has become valid is nominated too.
   */
  decide(
    now: Instant,
    checklist: Checklist,
    rules: SelectionRules,
    waitUntil: Instant,
  ): CandidatePair | undefined {
    this.at = NEVER
    const pair = pairToNominate(checklist.pairs, rules)
    if (pair === undefined || pair.nominated) return undefined
    if (pair.nominating && now < this.#repeatsAt) {
      this.at = this.#repeatsAt
      return undefined
    }
    if (now < waitUntil && checklist.mayImproveOn(pair)) {
      this.at = waitUntil
      return undefined
    }
    this.#repeatsAt = now + REPEAT_AFTER
    this.at = this.#repeatsAt
    return pair
  }

  /** Nothing is to be nominated by this side, or not any more. */
  stop(): void {
    this.at = NEVER
  }
}
