import { sameSocketAddress, type SocketAddress } from '@str0m/sans-io'
import { CandidatePair, pairPriority } from './candidate-pair.ts'
import { type Candidate, peerReflexive } from './candidate.ts'
import type { CandidateProtocol } from './candidate-fields.ts'
import type { IcePath } from './ice-path.ts'

/** Local candidates of a generation, those learned from responses included. */
export const MAX_LOCAL_CANDIDATES = 64
/** A peer's candidates of a generation, told and learned. */
export const MAX_REMOTE_CANDIDATES = 100
/** RFC 8445 section 6.1.2.5. */
export const MAX_PAIRS = 100

/** The candidates of both sides, their pairs, and which one is checked next: RFC 8445 section 6.1. */
export class Checklist {
  readonly locals: Candidate[] = []
  readonly #remotes: Candidate[] = []
  /** By priority, the highest first. */
  readonly pairs: CandidatePair[] = []
  /** The triggered-check queue, RFC 8445 section 6.1.4.1. */
  readonly #triggered: CandidatePair[] = []
  readonly #maxPairs: number
  #controlling: boolean

  constructor(controlling: boolean, maxPairs: number) {
    this.#controlling = controlling
    this.#maxPairs = maxPairs
  }

  /** Pairs it with the peer's candidates. False where it is there already, or there are too many. */
  addLocal(local: Candidate): boolean {
    const at = this.locals.findIndex((other) => isSame(other, local))
    if (at >= 0) {
      // what a check has told of us goes where gathering tells it too: that one is signalled to the peer
      const learned = this.locals[at]!
      if (learned.type !== 'prflx' || local.type === 'prflx') return false
      this.locals[at] = local
      for (const pair of this.pairs) if (pair.mapped === learned) pair.mapped = local
    } else {
      if (this.locals.length >= MAX_LOCAL_CANDIDATES) return false
      this.locals.push(local)
    }
    for (const remote of this.#remotes) if (remote.type !== 'prflx') this.#form(local, remote)
    return true
  }

  /**
   * Forgets a local candidate. Where nothing else has its base, or it is the base, all goes that was learned there, and the pairs from there with it. False where it is
   * not there.
   */
  removeLocal(local: Candidate): boolean {
    if (!this.locals.some((other) => isSame(other, local))) return false
    const { protocol, base } = local
    const isBase = sameSocketAddress(local.address, base)
    const isFrom = (other: Candidate): boolean =>
      other.protocol === protocol && sameSocketAddress(other.base, base)
    this.#retainLocals((other) => !isSame(other, local) && !(isBase && isFrom(other)))
    const left = this.baseAt(protocol, base)
    if (left === undefined) this.#retainLocals((other) => !isFrom(other))
    for (let at = this.pairs.length - 1; at >= 0; at--) {
      const pair = this.pairs[at]!
      if (!isFrom(pair.local)) continue
      if (left === undefined) {
        pair.invalidate()
        if (pair.triggered) this.#triggered.splice(this.#triggered.indexOf(pair), 1)
        this.#forget(at, false)
      } else if (isSame(pair.local, local)) {
        pair.local = left
      }
    }
    this.reprioritise(this.#controlling)
    return true
  }

  #retainLocals(keep: (local: Candidate) => boolean): void {
    const kept = this.locals.filter(keep)
    this.locals.splice(0, this.locals.length, ...kept)
  }

  /** Pairs it with the local candidates. False where there are too many. */
  addRemote(remote: Candidate): boolean {
    const at = this.#remotes.findIndex((other) => isAt(other, remote.protocol, remote.address))
    if (at >= 0) {
      this.#replaceLearned(at, remote)
    } else {
      if (!this.#makeRoom(true)) return false
      this.#remotes.push(remote)
    }
    if (this.#remotes[at < 0 ? this.#remotes.length - 1 : at] === remote) {
      for (const local of this.locals) if (local.type !== 'prflx') this.#form(local, remote)
    }
    return true
  }

  /** What the peer tells of a candidate counts more than what was learned of it: RFC 8445 section 7.3.1.3. */
  #replaceLearned(at: number, remote: Candidate): void {
    const learned = this.#remotes[at]!
    if (learned.type !== 'prflx') return
    this.#remotes[at] = remote
    for (const pair of this.pairs) if (pair.remote === learned) pair.remote = remote
    this.reprioritise(this.#controlling)
  }

  /**
   * The pair of a request that came: RFC 8445 sections 7.3.1.3 and 7.3.1.4. Learns a peer-reflexive candidate
   * where the source is unknown. `undefined` where there are too many, or the destination is no base.
   */
  pairOfRequest(path: IcePath, priority: number, ufrag: string): CandidatePair | undefined {
    const existing = this.find(path)
    if (existing !== undefined) return existing
    const { proto, source, destination } = path
    const local = this.baseAt(proto, destination)
    if (local === undefined) return undefined
    let remote = this.#remotes.find((other) => isAt(other, proto, source))
    if (remote === undefined) {
      if (!this.#makeRoom(false)) return undefined
      remote = peerReflexive(proto, source, source, priority, ufrag)
      this.#remotes.push(remote)
    }
    return this.#insert(new CandidatePair(local, remote, this.#controlling), true)
  }

  /**
   * Whether there is room for one more candidate. At the bound the oldest makes room that was left behind by a peer that moves: for one that is told, any that has failed (RFC 8838 section
   * 10); for one that is learned, only one that had answered before, so that no one can have ever more addresses checked.
   */
  #makeRoom(isTold: boolean): boolean {
    if (this.#remotes.length < MAX_REMOTE_CANDIDATES) return true
    const at = this.#remotes.findIndex((remote) => this.#isLeftBehind(remote, isTold))
    if (at < 0) return false
    const [remote] = this.#remotes.splice(at, 1)
    for (let i = this.pairs.length - 1; i >= 0; i--)
      if (this.pairs[i]!.remote === remote) this.pairs.splice(i, 1)
    return true
  }

  #isLeftBehind(remote: Candidate, orNeverAnswered: boolean): boolean {
    let isLeft = false
    for (const pair of this.pairs) {
      if (pair.remote !== remote) continue
      if (pair.state !== 'failed' || pair.triggered || pair.muted) return false
      isLeft ||= orNeverAnswered || pair.wasAnswered
    }
    return isLeft
  }

  /** Forgets a pair, and with the last one the peer's candidate that was learned by it, or that `hasFailed`. */
  #forget(at: number, hasFailed: boolean): void {
    const [pair] = this.pairs.splice(at, 1)
    const { remote, wasAnswered } = pair!
    const isLeft = remote.type === 'prflx' ? wasAnswered : hasFailed
    if (!isLeft || this.pairs.some((other) => other.remote === remote)) return
    this.#remotes.splice(this.#remotes.indexOf(remote), 1)
  }

  /** The local candidate whose base is `address`, the one of the highest priority. */
  baseAt(protocol: CandidateProtocol, address: SocketAddress): Candidate | undefined {
    let best: Candidate | undefined
    for (const local of this.locals) {
      if (local.type !== 'prflx' && local.protocol === protocol && sameSocketAddress(local.base, address)) {
        if (best === undefined || local.priority > best.priority) best = local
      }
    }
    return best
  }

  /** The pair that what came by `path` came on. */
  find(path: IcePath): CandidatePair | undefined {
    return this.pairs.find((pair) => pair.carries(path))
  }

  /** The same, if data may come on it. */
  findReceiving(path: IcePath): CandidatePair | undefined {
    return this.pairs.find((pair) => pair.receives && pair.carries(path))
  }

  /** Forgets what was learned from requests of another peer than `ufrag`: forking, RFC 8445 section 7.3.1.4. */
  keepRemotesOf(ufrag: string): void {
    const keep = (remote: Candidate): boolean => remote.ufrag === undefined || remote.ufrag === ufrag
    this.#retain((pair) => keep(pair.remote))
    const kept = this.#remotes.filter(keep)
    this.#remotes.splice(0, this.#remotes.length, ...kept)
  }

  /** Leaves one pair alone, as after a restart. */
  keepOnly(only: CandidatePair | undefined): void {
    this.#retain((pair) => pair === only)
  }

  #retain(keep: (pair: CandidatePair) => boolean): void {
    for (const pair of this.pairs) if (!keep(pair)) pair.invalidate()
    for (const list of [this.pairs, this.#triggered]) {
      const kept = list.filter(keep)
      list.splice(0, list.length, ...kept)
    }
  }

  /** After a change of role, or of a candidate: RFC 8445 section 7.2.5.1. */
  reprioritise(controlling: boolean): void {
    this.#controlling = controlling
    for (const pair of this.pairs) pair.priority = pairPriority(pair.local, pair.remote, controlling)
    this.pairs.sort(byPriority)
  }

  /** Puts a pair into the triggered-check queue, once. */
  trigger(pair: CandidatePair): void {
    if (pair.triggered) return
    pair.triggered = true
    if (!pair.valid) pair.state = 'waiting'
    this.#triggered.push(pair)
  }

  get hasTriggered(): boolean {
    return this.#triggered.length > 0
  }

  nextTriggered(): CandidatePair | undefined {
    const pair = this.#triggered.shift()
    if (pair !== undefined) pair.triggered = false
    return pair
  }

  /** Whether an ordinary check is due when its time comes. */
  get hasWaiting(): boolean {
    return this.pairs.some((pair) => (pair.state === 'waiting' || pair.state === 'frozen') && !pair.triggered)
  }

  /** The next ordinary check: RFC 8445 section 6.1.4.2. */
  nextOrdinary(): CandidatePair | undefined {
    const next = this.pairs.find((pair) => pair.state === 'waiting' && !pair.triggered)
    if (next !== undefined) return next
    const frozen = this.pairs.find((pair) => pair.state === 'frozen' && !this.#isBusy(pair.foundation))
    return frozen ?? this.pairs.find((pair) => pair.state === 'frozen')
  }

  /** A success thaws the pairs of the same foundation: RFC 8445 section 7.2.5.3.3. */
  thaw(foundation: string): void {
    for (const pair of this.pairs) {
      if (pair.state === 'frozen' && pair.foundation === foundation) pair.state = 'waiting'
    }
  }

  /** Whether a pair better than `than` may still succeed. */
  mayImproveOn(than: CandidatePair): boolean {
    return this.pairs.some((pair) => pair.priority > than.priority && pair.isOpen)
  }

  #isBusy(foundation: string): boolean {
    return this.pairs.some(
      (pair) => (pair.state === 'waiting' || pair.state === 'in-progress') && pair.foundation === foundation,
    )
  }

  /** Forms a pair, RFC 8445 section 6.1.2.2, unless it is redundant, section 6.1.2.4. */
  #form(local: Candidate, remote: Candidate): void {
    if (!isPairable(local, remote)) return
    const { protocol: proto, address: source } = remote
    const existing = this.find({ proto, source, destination: local.base })
    if (existing === undefined) {
      const pair = new CandidatePair(local, remote, this.#controlling)
      pair.state = this.#isBusy(pair.foundation) ? 'frozen' : 'waiting'
      this.#insert(pair, false)
    } else if (local.priority > existing.local.priority) {
      existing.local = local
      this.reprioritise(this.#controlling)
    }
  }

  /**
   * Inserts by priority. At the bound one that has failed makes room (RFC 8838 sections 10 and 11), else the lowest one that nothing is known of: for a better
   * one, and for one that a peer's request has triggered. `undefined` where none does.
   */
  #insert(pair: CandidatePair, triggered: boolean): CandidatePair | undefined {
    if (this.pairs.length >= this.#maxPairs) {
      const isIdle = (other: CandidatePair): boolean =>
        !other.receives && !other.triggered && other.state !== 'in-progress'
      // one whose consent was lost is better remembered: RFC 7675 section 5.1
      const failedAt = this.pairs.findLastIndex(
        (other) => isIdle(other) && other.state === 'failed' && !other.revoked,
      )
      const at = failedAt >= 0 ? failedAt : this.pairs.findLastIndex(isIdle)
      const lowest = this.pairs[at]
      if (lowest === undefined) return undefined
      if (failedAt < 0 && !triggered && lowest.priority >= pair.priority) return undefined
      this.#forget(at, lowest.state === 'failed')
    }
    // of equal priority are paths of one candidate of the peer's whose NAT has given it another port: the last is the one
    const at = this.pairs.findIndex(
      ({ priority }) => priority < pair.priority || (triggered && priority === pair.priority),
    )
    this.pairs.splice(at < 0 ? this.pairs.length : at, 0, pair)
    return pair
  }
}

function byPriority(a: CandidatePair, b: CandidatePair): number {
  return a.priority > b.priority ? -1 : a.priority < b.priority ? 1 : 0
}

/** Equal addresses with equal bases are one candidate: RFC 8445 section 5.1.3. */
function isSame(a: Candidate, b: Candidate): boolean {
  return (
    a.protocol === b.protocol && sameSocketAddress(a.address, b.address) && sameSocketAddress(a.base, b.base)
  )
}

function isAt(candidate: Candidate, protocol: CandidateProtocol, address: SocketAddress): boolean {
  return candidate.protocol === protocol && sameSocketAddress(candidate.address, address)
}

/**
 * RFC 8445 section 6.1.2.2: one transport, one family, and link-local IPv6 with link-local alone. Of TCP a connection is made from the active candidate to the passive one; pairs of
 * a passive one of ours are not checked (RFC 6544 section 6.2), and are formed when the peer has connected.
 */
function isPairable(local: Candidate, remote: Candidate): boolean {
  if (local.protocol !== remote.protocol) return false
  if (local.protocol === 'tcp' && (local.tcpType !== 'active' || remote.tcpType !== 'passive')) return false
  const [from, to] = [local.base.address, remote.address.address]
  const isIpv6 = from.includes(':')
  if (isIpv6 !== to.includes(':')) return false
  return !isIpv6 || isLinkLocal(from) === isLinkLocal(to)
}

function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/.test(address)
}
