import type { CandidatePair } from './candidate-pair.ts'
import type { Transaction } from './transactions.ts'

/** Checks that may be answered. Each of at most 100 pairs has at most one that is not cancelled. */
export const MAX_CHECKS = 256

/** A Binding request of ICE that may be answered: a check, or one of consent, which is never retransmitted (RFC 7675 section 5.1). */
export interface IceCheck extends Transaction {
  readonly pair: CandidatePair
  /** The role that it spoke of. */
  readonly controlling: boolean
  readonly useCandidate: boolean
  /** The value of PRIORITY. */
  readonly priority: number
  /** Whether it is one of consent. */
  readonly isConsent: boolean
}
