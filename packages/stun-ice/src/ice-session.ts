import { type Instant, NEVER, sameSocketAddress, type SocketAddress } from '@str0m/sans-io'
import type { AgentContext } from './agent-context.ts'
import type { CandidatePair } from './candidate-pair.ts'
import { consentDelay } from './consent-delay.ts'
import { type Candidate, peerReflexive } from './candidate.ts'
import { Checklist, MAX_LOCAL_CANDIDATES } from './checklist.ts'
import { type IceCheck, IceChecks } from './ice-checks.ts'
import { IceMessages } from './ice-messages.ts'
import type { IcePath } from './ice-path.ts'
import type { IceCredentials, IceDropReason } from './ice-types.ts'
import { Nomination } from './nomination.ts'
import { markMaintained, selectPair, type SelectionRules, UNANSWERED_INTERVALS } from './pair-selection.ts'
import type { ReceivedStun, StunError, StunMessage } from './stun-types.ts'

/** What is heard of the selected pair within this, ms, leaves no doubt in it; and so long is its answer waited for where there is one: three requests. */
const DOUBT = 2000
/** So much later, ms, another pair is nominated where the peer has moved: checks are reordered, and retransmitted. */
const NOMINATION_SETTLES = 2000
/** Checks of a pair that a 487 has repeated, since its last success. A conflict takes two; a peer that has one for each role is no peer. */
const MAX_ROLE_CONFLICTS = 8

/** The priority of a peer-reflexive candidate whose check had none: the least of its type. */
const DEFAULT_PRIORITY = 110 * 2 ** 24
const ROLE_CONFLICT: StunError = { code: 487, reason: 'Role Conflict' }
const UNKNOWN_ATTRIBUTE: StunError = { code: 420, reason: 'Unknown Attribute' }

/**
 * One generation of ICE: the time from one pair of credentials to the next restart (RFC 8445 calls it a
 * session). In the order of the protocol:
 *
 * 1. Candidates of both sides are paired (`Checklist`), RFC 8445 section 6.1.2.
 * 2. Checks go out, triggered ones first, and are retransmitted (`IceChecks`): sections 6.1.4.2 and 7.2.
 * 3. The peer's checks are answered, and trigger checks: section 7.3.
 * 4. A success makes the pair valid: section 7.2.5.3. The best valid pair is the selected one.
 * 5. The controlling side nominates: section 8.1.1.
 * 6. Consent is kept up on the selected pair and on those to fall back on: RFC 7675.
 */
export class IceSession {
  readonly checklist: Checklist
  /** No more candidates of the peer's come. RFC 8838 section 14. */
  endOfRemoteCandidates = false
  selected: CandidatePair | undefined
  /** No pair works, and none will. */
  failed = false
  #wasSelected = false
  readonly #context: AgentContext
  readonly #messages: IceMessages
  readonly #checks: IceChecks
  /** A newer generation has begun: this one keeps its selected pair up, and nothing else. */
  #retired = false
  #now: Instant = Number.NEGATIVE_INFINITY
  #firstValidAt: Instant = NEVER
  readonly #nomination = new Nomination()
  /** The PAC timer, RFC 8863: no failure before it, where nothing has connected. */
  #patientUntil: Instant = NEVER
  #patienceStarts = false

  constructor(context: AgentContext, local: IceCredentials) {
    this.#context = context
    this.#messages = new IceMessages(context.crypto, local)
    this.checklist = new Checklist(context.role.controlling, context.maxPairs)
    this.#checks = new IceChecks(context, this.#messages, this.checklist)
  }

  get local(): IceCredentials {
    return this.#messages.local
  }

  /** `undefined` before they are known. */
  get remote(): IceCredentials | undefined {
    return this.#messages.remote
  }

  setRemote(remote: IceCredentials): void {
    this.#messages.setRemote(remote)
    this.checklist.keepRemotesOf(remote.ufrag)
    this.#patienceStarts = true
  }

  addRemoteCandidate(candidate: Candidate): boolean {
    if (this.remote !== undefined) this.#patienceStarts = true
    return this.checklist.addRemote(candidate)
  }

  /** False where it is not there. */
  removeLocalCandidate(candidate: Candidate): boolean {
    const removed = this.checklist.removeLocal(candidate)
    if (removed) this.#checks.retain(({ pair }) => this.checklist.pairs.includes(pair))
    return removed
  }

  /** Whether a pair was ever valid. */
  get #wasConnected(): boolean {
    return this.#firstValidAt !== NEVER
  }

  /** Whether there ever was a pair to send on: of a lite agent, a nominated one. */
  get wasSelected(): boolean {
    return this.#wasSelected
  }

  /** Whether data may come on a pair. */
  get isReceiving(): boolean {
    return this.checklist.pairs.some((pair) => pair.receives)
  }

  /** Whether a valid pair is nominated: the selected one, unless that has fallen silent. */
  get isNominated(): boolean {
    return this.checklist.pairs.some((pair) => pair.valid && pair.nominated)
  }

  /** Whether a check is still to come or under way. A lite agent makes none. */
  get isChecking(): boolean {
    return !this.#context.lite && this.checklist.pairs.some((pair) => pair.isOpen)
  }

  /** A newer generation begins. RFC 7675 section 5.1: consent goes on where data does. */
  retire(): void {
    this.#retired = true
    this.#nomination.stop()
    this.checklist.keepOnly(this.selected)
    this.#checks.retain(({ pair }) => pair === this.selected)
  }

  /** Ends it: no path of it is valid any more. */
  dispose(): void {
    for (const pair of this.checklist.pairs) pair.invalidate()
    this.#checks.clear()
    this.selected = undefined
    this.failed = true
  }

  /** After a change of role: RFC 8445 section 7.2.5.1. */
  roleChanged(): void {
    for (const pair of this.checklist.pairs) {
      pair.nominating = false
      // the new controlling side nominates anew: what the peer made of the old nominations is not known
      if (this.#context.role.controlling) pair.nominated = false
    }
    this.checklist.reprioritise(this.#context.role.controlling)
  }

  // --- the peer's checks, RFC 8445 section 7.3

  handleRequest(now: Instant, request: ReceivedStun, path: IcePath): void {
    this.#now = now
    const { role, lite } = this.#context
    if (!this.#messages.isRequestGenuine(request)) return this.#drop('integrity')
    if (this.failed) return this.#drop('consent')
    if (this.checklist.baseAt(path.proto, path.destination) === undefined) return this.#drop('destination')
    const known = this.checklist.find(path)
    if (known?.revoked === true && !known.muted) return this.#drop('consent')
    const respond = (fields: Partial<StunMessage>): void => this.#respond(request, path, fields, known)
    const success: Partial<StunMessage> = { class: 'success', xorMappedAddress: path.source }
    if (request.notUnderstood.length > 0) {
      return respond({
        class: 'error',
        errorCode: UNKNOWN_ATTRIBUTE,
        unknownAttributes: request.notUnderstood,
      })
    }
    const ufrag = request.username!.slice(this.local.ufrag.length + 1)
    if (this.remote !== undefined && this.remote.ufrag !== ufrag) {
      // of another generation of the peer, or of another peer where the offer has forked: answered, and no more
      return respond(success)
    }
    // a lite agent is the controlled one, RFC 8445 section 6.1.1
    const conflict = lite ? (request.iceControlled === undefined ? 'none' : 'reject') : role.conflict(request)
    if (!this.#retired) {
      if (conflict === 'reject') return respond({ class: 'error', errorCode: ROLE_CONFLICT })
      if (conflict === 'switch') this.#context.switchRole()
    }
    respond(success)
    const pair =
      known ??
      (this.#retired
        ? undefined
        : this.checklist.pairOfRequest(path, request.priority ?? DEFAULT_PRIORITY, ufrag))
    if (pair === undefined) return this.#drop('limit')
    if (pair !== known) pair.responsesSent++
    pair.requestsReceived++
    pair.heardAt = now
    if ((this.#retired && !lite) || pair.muted) return
    if (lite || !role.controlling) this.#heedNomination(pair, request.useCandidate === true)
    if (lite) this.#acceptLite(pair, request)
    else this.#accept(pair, request)
  }

  /**
   * A peer may move its nomination, which RFC 8445 section 8.1.1 does not have: it then goes on asking on the old pair without USE-CANDIDATE. One that
   * nominates several pairs, after RFC 5245, asks with it on all of them.
   */
  #heedNomination(pair: CandidatePair, isNominated: boolean): void {
    if (isNominated) {
      pair.nominatedAt = this.#now
    } else if (pair.nominated) {
      const movedAfter = pair.nominatedAt + NOMINATION_SETTLES
      pair.nominated = !this.checklist.pairs.some(
        (other) => other.nominated && other.nominatedAt > movedAfter,
      )
    }
  }

  /** RFC 8445 sections 7.3.1.4 and 7.3.1.5. */
  #accept(pair: CandidatePair, request: ReceivedStun): void {
    const isNominated = request.useCandidate === true && !this.#context.role.controlling
    if (isNominated && pair.valid) pair.nominated = true
    else if (isNominated) pair.nominateOnSuccess = true
    if (!pair.valid || pair.answeredAt <= this.#rules().answeredAfter) {
      if (pair.valid) pair.rechecking = true
      else this.#checks.cancel((check) => check.pair === pair)
      this.checklist.trigger(pair)
    }
    if (isNominated || this.#context.role.controlling) this.#doubtSelected(pair)
  }

  /**
   * The peer nominates a pair that the selected one is preferred to, or, where we do that, comes by one, as from another port of its NAT. It may have learned that the
   * selected one is dead, before our consent checks tell: so it is asked. As long as it answers, it is the one that is used, RFC 8445 section 8.1.1.
   */
  #doubtSelected(other: CandidatePair): void {
    const { selected } = this
    const { pairs } = this.checklist
    if (selected?.valid !== true || pairs.indexOf(selected) >= pairs.indexOf(other)) return
    if (selected.doubtedAt > selected.answeredAt || this.#now - selected.heardAt < DOUBT) return
    selected.doubtedAt = this.#now
    selected.rechecking = true
    this.checklist.trigger(selected)
  }

  /**
   * RFC 8445 section 7.3.2. A lite agent does not check: that the peer asks, with the password, is its consent
   * for as long as a response would be.
   */
  #acceptLite(pair: CandidatePair, request: ReceivedStun): void {
    pair.answeredAt = this.#now
    pair.consentExpiresAt = this.#now + this.#context.timing.consentTimeout
    this.#validate(pair)
    if (request.useCandidate === true) pair.nominated = true
  }

  #respond(
    request: ReceivedStun,
    path: IcePath,
    fields: Partial<StunMessage>,
    pair: CandidatePair | undefined,
  ): void {
    const contents = this.#messages.writeResponse(request, fields)
    if (pair !== undefined) pair.responsesSent++
    const { given, outputs, timing } = this.#context
    if (fields.class === 'success') given.give(path, this.#now + timing.consentTimeout)
    const { proto, source, destination } = path
    outputs.push({ kind: 'transmit', proto, source: destination, destination: source, contents })
  }

  // --- the answers to our checks, RFC 8445 section 7.2.5

  /** False where the response is to nothing that this generation asked. */
  handleResponse(now: Instant, response: ReceivedStun, path: IcePath): boolean {
    this.#now = now
    const check = this.#checks.find(response.transactionId)
    if (check === undefined) return false
    const { pair } = check
    if (!this.#messages.isResponseGenuine(response)) {
      this.#drop('integrity')
      return true
    }
    this.#checks.remove(check)
    // a pair that has made room for a better one is no longer anything
    if (!this.checklist.pairs.includes(pair)) {
      this.#drop('limit')
      return true
    }
    // RFC 8489 sections 6.3.3 and 6.3.4
    const isUnderstood = response.notUnderstood.length === 0
    if (!isUnderstood || !pair.carries(path)) {
      this.#drop(isUnderstood ? 'asymmetric' : 'unsupported')
      pair.fail()
      return true
    }
    pair.responsesReceived++
    pair.heardAt = now
    if (response.class === 'success') this.#succeed(check, response)
    else this.#handleError(check, response.errorCode?.code)
    return true
  }

  #handleError({ pair, controlling, useCandidate }: IceCheck, code: number | undefined): void {
    const { role } = this.#context
    if (code === ROLE_CONFLICT.code && pair.roleConflicts < MAX_ROLE_CONFLICTS) {
      pair.roleConflicts++
      // RFC 8445 section 7.2.5.1; where the role has changed since the request, only the check is repeated
      if (controlling === role.controlling && !this.#retired) {
        role.renewTieBreaker()
        this.#context.switchRole()
      }
      if (!pair.valid) this.checklist.trigger(pair)
    } else if (code === 403 && pair.valid) {
      // RFC 7675 section 5.2
      this.#revoke(pair)
    } else if (useCandidate && pair.valid && !pair.nominated) {
      // the nomination is refused: RFC 8445 section 7.2.5.3.4
      pair.invalidate()
    } else {
      pair.fail()
    }
  }

  #succeed(check: IceCheck, response: ReceivedStun): void {
    const { pair } = check
    const { role, timing } = this.#context
    pair.roleConflicts = 0
    pair.answeredAt = this.#now
    pair.consentExpiresAt = this.#now + timing.consentTimeout
    if (check.isConsent) pair.answersConsent = true
    // Karn: the answer to a request sent twice does not say to which
    if (check.transmissions === 1) {
      pair.currentRoundTripTime = this.#now - check.sentAt
      pair.totalRoundTripTime += pair.currentRoundTripTime
    }
    // a connection that was made anew comes from another port
    if (!pair.valid || pair.proto === 'tcp')
      pair.mapped = this.#mappedCandidate(check, response.xorMappedAddress)
    if (!pair.valid) {
      this.#checks.cancel((other) => other.pair === pair)
      this.#validate(pair)
      this.checklist.thaw(pair.foundation)
    }
    if (role.controlling) {
      if (check.useCandidate && check.controlling) {
        pair.nominated = true
        pair.nominating = false
      }
    } else if (pair.nominateOnSuccess) {
      pair.nominateOnSuccess = false
      pair.nominated = true
    }
  }

  #validate(pair: CandidatePair): void {
    if (pair.valid) return
    pair.valid = true
    pair.state = 'succeeded'
    pair.nextConsentAt = this.#now + consentDelay(this.#context, this.#now)
    if (this.#firstValidAt === NEVER) this.#firstValidAt = this.#now
    this.#context.outputs.push({
      kind: 'event',
      event: { type: 'candidatePairValidated', pair: pair.describe() },
    })
  }

  /** The local candidate as the peer sees it: RFC 8445 section 7.2.5.3.1. */
  #mappedCandidate({ pair, priority }: IceCheck, mapped: SocketAddress | undefined): Candidate | undefined {
    if (mapped === undefined) return undefined
    const { locals } = this.checklist
    const known = locals.find(
      ({ protocol, address }) => protocol === pair.proto && sameSocketAddress(address, mapped),
    )
    if (known !== undefined) return known
    const learned = peerReflexive(pair.proto, mapped, pair.source, priority)
    if (locals.length < MAX_LOCAL_CANDIDATES) this.checklist.addLocal(learned)
    return learned
  }

  /** Consent is gone: RFC 7675 section 5.1. */
  #revoke(pair: CandidatePair): void {
    pair.revoked = true
    pair.invalidate()
    this.#checks.retain((check) => check.pair !== pair)
  }

  // --- what time does

  /** Does all that is due. */
  advance(now: Instant): void {
    this.#now = now
    if (this.failed) return
    if (this.#patienceStarts) {
      this.#patienceStarts = false
      this.#patientUntil = now + this.#context.timing.patience
    }
    this.#expireConsent()
    this.#checks.retransmit(now)
    this.#select()
    if (!this.#context.lite && this.remote !== undefined) {
      if (!this.#retired) {
        this.#nominate()
        this.#checks.sendDue(now)
      }
      this.#checks.sendConsent(now, this.#retired ? undefined : this.selected)
    }
    if (this.#hasFailed()) this.dispose()
  }

  /** When something is due next. */
  nextAt(): Instant {
    if (this.failed) return NEVER
    const { lite, timing } = this.#context
    let at = Math.min(this.#checks.nextAt(), this.#nomination.at)
    if (!lite && !this.#retired && this.remote !== undefined) {
      at = Math.min(at, this.#checks.nextCheckAt())
    }
    for (const pair of this.checklist.pairs) {
      if (pair.muted) at = Math.min(at, this.#silentAt(pair))
      if (!pair.valid) continue
      at = Math.min(at, pair.consentExpiresAt)
      if (pair.maintained && !lite) at = Math.min(at, pair.nextConsentAt)
    }
    if (this.selected !== undefined) {
      const { answeredAt, doubtedAt } = this.selected
      at = Math.min(at, this.#later(doubtedAt + DOUBT))
      at = Math.min(at, this.#later(this.#silentAt(this.selected)))
      at = Math.min(at, this.#later(answeredAt + timing.consentInterval * UNANSWERED_INTERVALS))
    } else if (!this.#wasConnected) {
      at = Math.min(at, this.#later(this.#patientUntil))
    }
    if (this.#patienceStarts) at = this.#now
    return at
  }

  #later(at: Instant): Instant {
    return at > this.#now ? at : NEVER
  }

  #expireConsent(): void {
    for (const pair of this.checklist.pairs) {
      if (!pair.receives || pair.consentExpiresAt > this.#now) continue
      // RFC 7675 section 5.1: a pair that was not kept up may be asked again, one that was may not
      if (!pair.maintained && !pair.muted) pair.invalidate()
      else if (!this.#retired && !pair.answersConsent && this.#silentAt(pair) > this.#now) this.#mute(pair)
      else this.#revoke(pair)
    }
  }

  /**
   * RFC 7675 section 5.1 has the sending cease, of all but ICE (section 2). Who has answered checks of consent and does so no more has withdrawn it; who never
   * has does not know them, as FFmpeg's WHIP client, which sends media for as long as it hears of nothing else.
   */
  #mute(pair: CandidatePair): void {
    if (pair.muted) return
    this.#revoke(pair)
    pair.muted = true
    pair.consentExpiresAt = this.#now
  }

  /** When the peer counts as silent on a pair, unless it sends in the meantime. */
  #silentAt(pair: CandidatePair): Instant {
    return pair.lastHeardAt + this.#context.timing.disconnectedTimeout
  }

  #rules(): SelectionRules {
    const { timing, lite } = this.#context
    const answeredAfter = this.#now - timing.consentInterval * UNANSWERED_INTERVALS
    return { answeredAfter, doubtedBefore: this.#now - DOUBT, nominatedOnly: lite }
  }

  #select(): void {
    const { pairs } = this.checklist
    this.selected = selectPair(pairs, this.#rules())
    this.#wasSelected ||= this.selected !== undefined
    markMaintained(pairs, this.selected)
  }

  #nominate(): void {
    const { role, remoteLite, timing } = this.#context
    if (!role.controlling) return this.#nomination.stop()
    // a lite peer cannot send before: there is nothing to wait for
    const waitUntil = this.#firstValidAt + (remoteLite ? 0 : timing.nominationDelay)
    const pair = this.#nomination.decide(this.#now, this.checklist, this.#rules(), waitUntil)
    if (pair === undefined) return
    // where one is under way it is begun anew: an answer to the old request still counts
    this.#checks.cancel((check) => check.pair === pair)
    pair.nominating = true
    this.checklist.trigger(pair)
  }

  /** RFC 8445 section 8.1.2, after the patience of RFC 8863. */
  #hasFailed(): boolean {
    if (this.isReceiving || this.isChecking) return false
    return this.#wasConnected || this.#retired || this.#now >= this.#patientUntil
  }

  #drop(reason: IceDropReason): void {
    this.#context.dropped[reason]++
  }
}
