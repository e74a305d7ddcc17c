import { type Instant, NEVER, sameSocketAddress, type SocketAddress } from '@str0m/sans-io'
import type { Candidate } from './candidate.ts'
import type { CandidateProtocol } from './candidate-fields.ts'
import type { IcePath } from './ice-path.ts'
import type { IcePair, IcePairStatistics, PairState } from './ice-types.ts'

/**
 * A base of this agent and a peer's candidate. It stands for the pair that is checked and for the valid pair
 * that the check gives (RFC 8445 section 7.2.5.3.2): they differ in the local candidate alone, which is `mapped`
 * in the latter. What is sent on it goes by the path that it is.
 */
export class CandidatePair implements IcePath {
  local: Candidate
  /** The local candidate as the peer sees it, once a check has told. */
  mapped: Candidate | undefined
  remote: Candidate
  /** RFC 8445 section 6.1.2.3. */
  priority: bigint
  state: PairState = 'frozen'
  /** Whether a check has succeeded and consent lasts. */
  valid = false
  nominated = false
  /** The controlled agent's: when the peer last asked with USE-CANDIDATE. */
  nominatedAt: Instant = Number.NEGATIVE_INFINITY
  /** The controlled agent's: nominated as soon as it is valid. RFC 8445 section 7.3.1.5. */
  nominateOnSuccess = false
  /** The controlling agent's: the next check, or one under way, has USE-CANDIDATE. */
  nominating = false
  /** Valid, and to be checked again: the peer has come back to it after a silence, or it is in doubt. */
  rechecking = false
  /** When the peer gave a reason to think that it is dead: it is checked since, and is not where it has answered later. */
  doubtedAt: Instant = Number.NEGATIVE_INFINITY
  /** In the triggered-check queue. */
  triggered = false
  /** Checks that a 487 has answered since the last success. */
  roleConflicts = 0
  /** Consent was lost. These credentials are not used on it again: RFC 7675 section 5.1. */
  revoked = false
  /**
   * Consent has expired with a peer that has never answered a check of it, and goes on sending: it is received from and
   * its checks are answered, and nothing else is sent.
   */
  muted = false
  /** Whether the peer has answered a check of consent. */
  answersConsent = false
  /** Whether consent is kept up: the selected pair and those to fall back on. */
  maintained = false
  consentExpiresAt: Instant = NEVER
  nextConsentAt: Instant = NEVER
  /** The last response of the peer's to a check of ours. */
  answeredAt: Instant = Number.NEGATIVE_INFINITY
  /** The last request or response of the peer's. */
  heardAt: Instant = Number.NEGATIVE_INFINITY
  /** The last authenticated data of the peer's. */
  dataAt: Instant = Number.NEGATIVE_INFINITY

  requestsSent = 0
  retransmissionsSent = 0
  consentRequestsSent = 0
  requestsReceived = 0
  responsesSent = 0
  responsesReceived = 0
  currentRoundTripTime: number | undefined
  totalRoundTripTime = 0

  constructor(local: Candidate, remote: Candidate, controlling: boolean) {
    this.local = local
    this.remote = remote
    this.priority = pairPriority(local, remote, controlling)
  }

  get proto(): CandidateProtocol {
    return this.remote.protocol
  }

  get source(): SocketAddress {
    return this.local.base
  }

  get destination(): SocketAddress {
    return this.remote.address
  }

  /** RFC 8445 section 6.1.2.6. */
  get foundation(): string {
    return `${this.local.foundation}:${this.remote.foundation}`
  }

  /** Whether a check is still to come or under way. */
  get isOpen(): boolean {
    return this.state === 'frozen' || this.state === 'waiting' || this.state === 'in-progress'
  }

  /** Whether data may come on it. */
  get receives(): boolean {
    return this.valid || this.muted
  }

  /** The last authenticated thing that came from the peer. */
  get lastHeardAt(): Instant {
    return Math.max(this.heardAt, this.dataAt)
  }

  /** Whether the peer has ever answered a check of it. */
  get wasAnswered(): boolean {
    return this.answeredAt !== Number.NEGATIVE_INFINITY
  }

  /** Whether what came by `path`, which is canonical, came on this pair: from the peer's candidate to the base. */
  carries(path: IcePath): boolean {
    return (
      sameSocketAddress(this.destination, path.source) &&
      sameSocketAddress(this.source, path.destination) &&
      this.proto === path.proto
    )
  }

  /** A check of it has failed. What is valid stays so for as long as its consent. */
  fail(): void {
    if (!this.valid) this.state = 'failed'
  }

  /** Data may no longer come or go on it. */
  invalidate(): void {
    this.valid = false
    this.muted = false
    this.nominated = false
    this.nominating = false
    this.maintained = false
    this.state = 'failed'
    this.consentExpiresAt = NEVER
    this.nextConsentAt = NEVER
  }

  describe(): IcePair {
    const { remote, proto, source, destination, nominated } = this
    return { local: this.mapped ?? this.local, remote, proto, source, destination, nominated }
  }

  statistics(): IcePairStatistics {
    return {
      pair: this.describe(),
      state: this.state,
      valid: this.valid,
      requestsSent: this.requestsSent,
      retransmissionsSent: this.retransmissionsSent,
      consentRequestsSent: this.consentRequestsSent,
      requestsReceived: this.requestsReceived,
      responsesSent: this.responsesSent,
      responsesReceived: this.responsesReceived,
      currentRoundTripTime:
        this.currentRoundTripTime === undefined ? undefined : this.currentRoundTripTime / 1000,
      totalRoundTripTime: this.totalRoundTripTime / 1000,
      lastResponseReceivedTimestamp: this.heardAt === Number.NEGATIVE_INFINITY ? undefined : this.heardAt,
    }
  }
}

/** RFC 8445 section 6.1.2.3: G is the controlling agent's candidate's priority, D the controlled one's. */
export function pairPriority(local: Candidate, remote: Candidate, controlling: boolean): bigint {
  const g = BigInt(controlling ? local.priority : remote.priority)
  const d = BigInt(controlling ? remote.priority : local.priority)
  const [min, max] = g < d ? [g, d] : [d, g]
  return (min << 32n) + 2n * max + (g > d ? 1n : 0n)
}
