import { type Instant, NEVER } from '@str0m/sans-io'
import type { AgentContext } from './agent-context.ts'
import type { CandidatePair } from './candidate-pair.ts'
import { peerReflexivePriority } from './candidate.ts'
import type { Checklist } from './checklist.ts'
import { consentDelay } from './consent-delay.ts'
import type { IceMessages } from './ice-messages.ts'
import type { IcePath } from './ice-path.ts'
import { RELIABLE_WAIT, type Transaction, Transactions, TRANSMISSIONS } from './transactions.ts'

/** Checks that may be answered. Each of at most 100 pairs has at most one that is not cancelled. */
const MAX_CHECKS = 256
const NO_BYTES = new Uint8Array(0)

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

/**
 * The requests of one generation: its checks, one at a time and triggered ones first (RFC 8445 sections 6.1.4.2 and 7.2.4), those of consent (RFC 7675 section 5.1), and
 * what of them may still be answered.
 */
export class IceChecks extends Transactions<IceCheck> {
  readonly #context: AgentContext
  readonly #messages: IceMessages
  readonly #checklist: Checklist
  #lastCheckAt: Instant = Number.NEGATIVE_INFINITY

  constructor(context: AgentContext, messages: IceMessages, checklist: Checklist) {
    super(MAX_CHECKS)
    this.#context = context
    this.#messages = messages
    this.#checklist = checklist
  }

  /** When `sendDue` may send one next; `NEVER`: no pair waits for it. */
  nextCheckAt(): Instant {
    const { timing } = this.#context
    if (this.#checklist.hasTriggered) return this.#lastCheckAt + timing.triggeredCheckInterval
    return this.#checklist.hasWaiting ? this.#lastCheckAt + timing.checkInterval : NEVER
  }

  /** Sends one check, if one is due: RFC 8445 section 6.1.4.2. */
  sendDue(now: Instant): void {
    const { timing } = this.#context
    if (now < this.#lastCheckAt + timing.triggeredCheckInterval) return
    for (
      let pair = this.#checklist.nextTriggered();
      pair !== undefined;
      pair = this.#checklist.nextTriggered()
    ) {
      // it may have become valid in the meantime, or lost its consent
      if (!pair.revoked && (!pair.valid || pair.nominating || pair.rechecking))
        return this.#sendCheck(now, pair)
    }
    if (now < this.#lastCheckAt + timing.checkInterval) return
    const pair = this.#checklist.nextOrdinary()
    if (pair !== undefined) this.#sendCheck(now, pair)
  }

  #sendCheck(now: Instant, pair: CandidatePair): void {
    const { role, timing } = this.#context
    this.#lastCheckAt = now
    pair.rechecking = false
    if (!pair.valid) pair.state = 'in-progress'
    // RFC 8445 section 14.3, for the one checklist that there is
    const open = this.#checklist.pairs.filter(({ state }) => state === 'waiting' || state === 'in-progress')
    const rto = Math.max(timing.retransmissionTimeout, timing.checkInterval * open.length)
    this.#request(now, pair, role.controlling && pair.nominating, rto)
  }

  /** Asks for consent where its time has come, RFC 7675 section 5.1: on the pair `selected` in the words of its nomination, so that a peer that has missed or lost that hears of it. */
  sendConsent(now: Instant, selected: CandidatePair | undefined): void {
    const { role, timing } = this.#context
    for (const pair of this.#checklist.pairs) {
      if (!pair.maintained || pair.nextConsentAt > now) continue
      pair.nextConsentAt = now + consentDelay(this.#context, now)
      pair.consentRequestsSent++
      const renominate = role.controlling && pair.nominated && pair === selected
      this.#request(now, pair, renominate, timing.consentInterval, timing.consentTimeout)
    }
  }

  /** Sends again what is due, and gives up what was sent often enough. */
  retransmit(now: Instant): void {
    const { again, failed } = this.due(now)
    for (const { pair, bytes } of again) {
      pair.retransmissionsSent++
      // a copy: what was sent belongs to the caller
      this.#send(pair, bytes.slice())
    }
    for (const { pair, useCandidate } of failed) {
      // a nomination without an answer is repeated for as long as there is consent
      if (useCandidate) pair.nominating = false
      pair.fail()
    }
  }

  #request(
    now: Instant,
    pair: CandidatePair,
    useCandidate: boolean,
    rto: number,
    consentTimeout?: number,
  ): void {
    const { crypto, role } = this.#context
    const transactionId = crypto.randomBytes(12)
    // RFC 7675 section 5.1, and RFC 6544 section 7.1. It is not kept then: an idle agent makes few objects
    const isConsent = consentTimeout !== undefined
    const isSentOnce = isConsent || pair.proto === 'tcp'
    const priority = peerReflexivePriority(pair.local)
    const bytes = this.#messages.writeCheck({ transactionId, priority, useCandidate }, role)
    pair.requestsSent++
    this.add({
      id: transactionId,
      bytes: isSentOnce ? NO_BYTES : bytes,
      sentAt: now,
      maxTransmissions: isSentOnce ? 1 : TRANSMISSIONS,
      rto,
      transmissions: 1,
      cancelled: isConsent,
      at: now + (consentTimeout ?? (isSentOnce ? RELIABLE_WAIT : rto)),
      pair,
      controlling: role.controlling,
      useCandidate,
      priority,
      isConsent,
    })
    this.#send(pair, isSentOnce ? bytes : bytes.slice())
  }

  #send({ proto, source, destination }: IcePath, contents: Uint8Array): void {
    this.#context.outputs.push({ kind: 'transmit', proto, source, destination, contents })
  }
}
