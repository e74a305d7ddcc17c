import { type CryptoProvider, defaultCrypto } from '@str0m/crypto'
import {
  canonicalIpAddress,
  checkInput,
  type EventOutput,
  type Instant,
  latestInstant,
  type Machine,
  NEVER,
  type Output,
  OutputQueue,
  type TimeoutInput,
  UsageError,
} from '@str0m/sans-io'
import type { AgentContext } from './agent-context.ts'
import type { CandidatePair } from './candidate-pair.ts'
import type { Candidate } from './candidate.ts'
import { MAX_LOCAL_CANDIDATES, MAX_PAIRS, MAX_REMOTE_CANDIDATES } from './checklist.ts'
import { GivenConsent } from './given-consent.ts'
import { checkCredentials, checkRemoteCredentials, generateCredentials } from './ice-credentials.ts'
import { canonicalPath, checkPath, type IcePath } from './ice-path.ts'
import { IceRole } from './ice-role.ts'
import { IceSession } from './ice-session.ts'
import { type IceTiming, iceTiming } from './ice-timing.ts'
import type {
  IceCredentials,
  IceDropReason,
  IceEvent,
  IcePair,
  IcePairStatistics,
  IceReceive,
  IceState,
  IceStatistics,
  IceTransmit,
} from './ice-types.ts'
import { parseStun, stunUsername } from './stun-parse.ts'
import { BINDING, type ReceivedStun } from './stun-types.ts'

/** Names of multicast DNS that wait to be resolved. */
const MAX_MDNS_NAMES = 32

export interface IceAgentOptions {
  /** Default: `defaultCrypto()`. */
  readonly crypto?: CryptoProvider
  /** Default false. RFC 8445 section 6.1.1: the offerer is, unless it is lite and the peer is not. */
  readonly controlling?: boolean
  /** RFC 8445 section 2.5: answers checks and makes none. For hosts with a public address. Default false. */
  readonly lite?: boolean
  /** Default: random ones. */
  readonly localCredentials?: IceCredentials
  readonly timing?: Partial<IceTiming>
  /** 1 to 100, and 100 by default. RFC 8445 section 6.1.2.5. */
  readonly maxPairs?: number
}

/**
 * An ICE agent for one data stream of one component, RFC 8445: finds a path to the peer, and keeps it up. It
 * trickles (RFC 8838) by itself: candidates of both sides may be added at any time.
 *
 * Give it STUN datagrams alone (RFC 7983). Those of a peer that proves to know the password change its
 * state; all others are dropped, and counted in `statistics`.
 */
export class IceAgent implements Machine<IceEvent, IceTransmit, TimeoutInput | IceReceive> {
  readonly lite: boolean
  readonly #context: AgentContext
  readonly #dropped: Record<IceDropReason, number> = {
    malformed: 0,
    unsupported: 0,
    incomplete: 0,
    username: 0,
    integrity: 0,
    transaction: 0,
    asymmetric: 0,
    destination: 0,
    consent: 0,
    limit: 0,
  }
  readonly #outputs = new OutputQueue<IceTransmit | EventOutput<IceEvent>>()
  #session: IceSession
  /** The generation before a restart, for as long as the new one has no nominated pair. */
  #previous: IceSession | undefined
  #localCandidates: Candidate[] = []
  /** The peer's candidates by the name that they wait for. */
  readonly #mdns = new Map<string, Candidate[]>()
  #state: IceState = 'new'
  #selected: CandidatePair | undefined
  /** The path that was asked for last and was valid. */
  #lastPath: CandidatePair | undefined
  #now: Instant = Number.NEGATIVE_INFINITY
  /** Something was called since the last input: there may be something to do at once. */
  #isDue = false
  #nextAt: Instant = NEVER
  #indications = 0
  #candidatesIgnored = 0

  /** Throws a `UsageError`: `invalid-credentials`, or `invalid-option`. */
  constructor(options: IceAgentOptions = {}) {
    const crypto = options.crypto ?? defaultCrypto()
    const maxPairs = options.maxPairs ?? MAX_PAIRS
    if (!Number.isInteger(maxPairs) || maxPairs < 1 || maxPairs > MAX_PAIRS) {
      throw new UsageError('invalid-option', `maxPairs is an integer from 1 to ${MAX_PAIRS}, not ${maxPairs}`)
    }
    this.lite = options.lite ?? false
    if (this.lite && options.controlling === true) {
      throw new UsageError(
        'invalid-option',
        'a lite agent is the controlled one: its peer is to be a full one',
      )
    }
    this.#context = {
      crypto,
      maxPairs,
      lite: this.lite,
      remoteLite: false,
      timing: iceTiming(options.timing),
      role: new IceRole(crypto, options.controlling ?? false),
      outputs: this.#outputs,
      dropped: this.#dropped,
      given: new GivenConsent(),
      switchRole: () => {
        this.setControlling(!this.controlling)
        this.#emit({ type: 'roleChange', controlling: this.controlling })
      },
    }
    const credentials = options.localCredentials
    this.#session = this.#newSession(credentials)
  }

  /**
   * The local username fragment that a Binding request is for, so that many agents share one socket; `undefined`
   * for any other datagram. Nothing is verified.
   */
  static stunUsername(contents: Uint8Array): string | undefined {
    return stunUsername(contents)
  }

  /** Whether requests for this local username fragment are this agent's: of this generation or the last. */
  acceptsUsername(ufrag: string): boolean {
    return this.#session.local.ufrag === ufrag || this.#previous?.local.ufrag === ufrag
  }

  /** Of the present generation. To be signalled to the peer. */
  get localCredentials(): IceCredentials {
    return this.#session.local
  }

  get remoteCredentials(): IceCredentials | undefined {
    return this.#session.remote
  }

  /** Those that were added, to be signalled to the peer. */
  get localCandidates(): readonly Candidate[] {
    return this.#localCandidates
  }

  get controlling(): boolean {
    return this.#context.role.controlling
  }

  get state(): IceState {
    return this.#state
  }

  /** The pair to send on. None: nothing may be sent. After a restart, the old one until there is a new one. */
  get selectedPair(): IcePair | undefined {
    return this.#selected?.describe()
  }

  /** Of the pair to send on; `undefined` where there is none. */
  get selectedPairStatistics(): IcePairStatistics | undefined {
    return this.#selected?.statistics()
  }

  get statistics(): IceStatistics {
    return {
      pairs: this.#session.checklist.pairs.map((pair) => pair.statistics()),
      dropped: { ...this.#dropped },
      indications: this.#indications,
      candidatesIgnored: this.#candidatesIgnored,
    }
  }

  /**
   * Whether a datagram came, from the peer to us, by a path that a check has proven and whose consent lasts, or whose peer knows no consent and goes on sending. To be asked of every datagram that is
   * not STUN, before anything is made of it.
   */
  isValidatedPath(path: IcePath): boolean {
    const last = this.#lastPath
    if (last !== undefined && last.receives && last.carries(path)) return true
    const known = canonicalPath(path)
    const pair =
      this.#session.checklist.findReceiving(known) ?? this.#previous?.checklist.findReceiving(known)
    if (pair === undefined) return false
    this.#lastPath = pair
    return true
  }

  /**
   * Whether the peer may send by this path all the same: an authentic check of its was answered there, 30 s ago at most, which is consent (RFC 7675 section 5.1), and so it
   * need not wait for a check of ours. No proof that the peer is there: to be asked of a datagram that carries its own, as those of SRTP and of a connected DTLS do.
   */
  isConsentedPath(path: IcePath): boolean {
    if (this.#state === 'closed' || this.#state === 'failed') return false
    return this.#context.given.lasts(canonicalPath(path), this.#now)
  }

  /**
   * Says that what came by the path that `isValidatedPath` was last asked of is authentic, so that the peer is there: some send
   * media and no checks. It changes nothing about consent. Where the state is `disconnected`, poll after it: it may be no longer.
   */
  pathAuthenticated(now: Instant): void {
    const path = this.#lastPath
    if (path === undefined) return
    path.dataAt = now
    if (this.#state !== 'disconnected' || this.#session.selected !== path) return
    if (!this.lite) {
      // the next check of consent may be 6 s away, RFC 7675 section 5.1, and consent may end before
      path.rechecking = true
      this.#session.checklist.trigger(path)
    }
    this.#changed()
  }

  /**
   * The peer's, by signalling. Throws a `UsageError`: `invalid-credentials`, `closed`, or `restart-required` where
   * others are set already: new ones begin a new generation.
   */
  setRemoteCredentials(credentials: IceCredentials): void {
    this.#assertOpen()
    const checked = checkRemoteCredentials(credentials)
    const { remote } = this.#session
    if (remote?.ufrag === checked.ufrag && remote.pwd === checked.pwd) return
    if (remote !== undefined) {
      throw new UsageError('restart-required', 'the peer has restarted ICE: call restart() first')
    }
    this.#session.setRemote(checked)
    this.#changed()
  }

  /** The peer is lite: this side is then the controlling one, unless it is lite too. RFC 8445 section 6.1.1. Throws a `UsageError` (`closed`). */
  setRemoteLite(lite: boolean): void {
    this.#assertOpen()
    this.#context.remoteLite = lite
    if (lite && !this.lite) this.setControlling(true)
    else this.#changed()
  }

  /** Throws a `UsageError`: `closed`, or `invalid-option` for a lite agent, which is the controlled one. */
  setControlling(controlling: boolean): void {
    this.#assertOpen()
    if (controlling && this.lite) {
      throw new UsageError('invalid-option', 'a lite agent is the controlled one')
    }
    const { role } = this.#context
    if (role.controlling === controlling) return
    role.controlling = controlling
    this.#session.roleChanged()
    this.#changed()
  }

  /**
   * Adds a local candidate. False where it is there already. Throws a `UsageError`: `closed`, `invalid-candidate`
   * for one that an agent cannot send from, `too-many-candidates` beyond 64.
   */
  addLocalCandidate(candidate: Candidate): boolean {
    this.#assertOpen()
    assertCandidate(candidate)
    if (candidate.type === 'prflx' || candidate.isMdns || !isSendable(candidate)) {
      throw new UsageError(
        'invalid-candidate',
        'a local candidate is made by host, serverReflexive or relayed',
      )
    }
    if (this.#localCandidates.length >= MAX_LOCAL_CANDIDATES) {
      throw new UsageError(
        'too-many-candidates',
        `an agent has at most ${MAX_LOCAL_CANDIDATES} local candidates: take back those that are gone, by removeLocalCandidate`,
      )
    }
    if (!this.#session.checklist.addLocal(candidate)) return false
    this.#localCandidates.push(candidate)
    this.#changed()
    return true
  }

  /**
   * Takes a local candidate back: its address is gone, as with the network that a phone has left. One that is itself a base takes those with it that have that base. Nothing is
   * sent from there any more, and later generations are without it. Where no other pair is left, the state is `failed` until a restart: first add what there is in
   * its place. False where it is not there. Throws a `UsageError`: `closed`, or `invalid-candidate` for what is no `Candidate`.
   */
  removeLocalCandidate(candidate: Candidate): boolean {
    this.#assertOpen()
    assertCandidate(candidate)
    if (!this.#session.removeLocalCandidate(candidate)) return false
    this.#previous?.removeLocalCandidate(candidate)
    const { locals } = this.#session.checklist
    this.#localCandidates = this.#localCandidates.filter((local) => locals.includes(local))
    this.#changed()
    return true
  }

  /**
   * Adds a candidate of the peer's. False where it is not taken: TCP that is not passive, since then it is the peer that connects; a component other than 1, the username
   * fragment of another generation, port 0, an unspecified, multicast or broadcast address, or beyond the bound
   * of 100 where none has failed. Throws a `UsageError`: `closed`, or `invalid-candidate` for what is no `Candidate`.
   */
  addRemoteCandidate(candidate: Candidate): boolean {
    this.#assertOpen()
    assertCandidate(candidate)
    const { remote } = this.#session
    const isOther = candidate.ufrag !== undefined && remote !== undefined && candidate.ufrag !== remote.ufrag
    const usable =
      (candidate.protocol === 'udp' || candidate.tcpType === 'passive') &&
      candidate.component === 1 &&
      candidate.address.port !== 0 &&
      isUnicast(candidate.address.address)
    const taken =
      usable &&
      !isOther &&
      (candidate.isMdns ? this.#awaitMdns(candidate) : this.#session.addRemoteCandidate(candidate))
    if (taken) this.#changed()
    else this.#candidatesIgnored++
    return taken
  }

  #awaitMdns(candidate: Candidate): boolean {
    const name = candidate.address.address
    const waiting = this.#mdns.get(name)
    if (waiting !== undefined) {
      if (waiting.length >= MAX_REMOTE_CANDIDATES) return false
      waiting.push(candidate)
      return true
    }
    if (this.#mdns.size >= MAX_MDNS_NAMES) return false
    this.#mdns.set(name, [candidate])
    this.#emit({ type: 'resolveMdns', name })
    return true
  }

  /**
   * The answer to the event `resolveMdns`; `undefined` where the name was not found. Throws a `UsageError`:
   * `closed`, `invalid-address`.
   */
  resolveMdns(name: string, address: string | undefined): void {
    this.#assertOpen()
    const isAddress = typeof address === 'string' && canonicalIpAddress(address) !== undefined
    if (address !== undefined && !isAddress) {
      throw new UsageError(
        'invalid-address',
        `"${address}" is no IP address: give undefined where there is none`,
      )
    }
    const waiting = this.#mdns.get(name.toLowerCase()) ?? []
    this.#mdns.delete(name.toLowerCase())
    if (address === undefined) return
    for (const candidate of waiting) this.addRemoteCandidate(candidate.withAddress(address))
  }

  /** The peer has no more candidates for this generation: RFC 8838 section 14. Throws a `UsageError` (`closed`). */
  endOfRemoteCandidates(): void {
    this.#assertOpen()
    this.#session.endOfRemoteCandidates = true
    this.#changed()
  }

  /**
   * Begins a new generation with new credentials (RFC 8445 section 9). Local candidates stay; the peer's are to
   * come anew, as are its credentials. Data goes on over the old pair until there is a new one. Answers the new ones of this side. Throws a
   * `UsageError`: `closed`, or `invalid-credentials` also where they are not new.
   */
  restart(credentials?: IceCredentials): IceCredentials {
    this.#assertOpen()
    const old = this.#session
    // RFC 8839 section 4.4.1.1.1
    if (credentials?.ufrag === old.local.ufrag || credentials?.pwd === old.local.pwd) {
      throw new UsageError('invalid-credentials', 'a restart takes another ufrag and password')
    }
    const session = this.#newSession(credentials)
    for (const candidate of this.#localCandidates) session.checklist.addLocal(candidate)
    if (old.selected !== undefined) {
      this.#previous?.dispose()
      this.#previous = old
      old.retire()
    } else {
      old.dispose()
    }
    this.#session = session
    this.#mdns.clear()
    this.#changed()
    this.#update()
    return session.local
  }

  /** Ends it: nothing more is sent. */
  close(): void {
    if (this.#state === 'closed') return
    this.#session.dispose()
    this.#dropPrevious()
    this.#mdns.clear()
    this.#state = 'closed'
    this.#emit({ type: 'stateChange', state: 'closed' })
    this.#update()
    this.#isDue = false
    this.#nextAt = NEVER
  }

  handleInput(input: TimeoutInput | IceReceive): void {
    checkInput(input)
    if (input.kind === 'receive') checkPath(input)
    this.#now = latestInstant(this.#now, input.now)
    if (input.kind === 'receive') this.#receive(input)
    else if (this.#now < this.#nextAt && !this.#isDue) return
    if (this.#state !== 'closed') this.#settle()
  }

  pollOutput(): Output<IceEvent, IceTransmit> {
    return this.#outputs.shift() ?? { kind: 'timeout', at: this.#isDue ? this.#now : this.#nextAt }
  }

  #receive(input: IceReceive): void {
    if (this.#state === 'closed') return this.#drop('consent')
    const message = parseStun(input.contents)
    if (typeof message === 'string') return this.#drop('malformed')
    if (message.method !== BINDING) return this.#drop('unsupported')
    const path = canonicalPath(input)
    if (message.class === 'request') return this.#receiveRequest(message, path)
    // a keepalive, RFC 8445 section 11: not authenticated, so nothing comes of it
    if (message.class === 'indication') this.#indications++
    else if (
      !this.#session.handleResponse(this.#now, message, path) &&
      this.#previous?.handleResponse(this.#now, message, path) !== true
    ) {
      this.#drop('transaction')
    }
  }

  /**
   * A request that is not authenticated gets no answer: RFC 8489 section 9.1.3 has a 400 or 401, which tells a
   * peer nothing that it can act on, and would send to any address that is put in.
   */
  #receiveRequest(request: ReceivedStun, path: IcePath): void {
    const { username } = request
    const isSigned = request.integrityAt >= 0 || request.integritySha256At >= 0
    if (username === undefined || !isSigned) return this.#drop('incomplete')
    const ufrag = username.slice(0, Math.max(0, username.indexOf(':')))
    const session = this.#session.local.ufrag === ufrag ? this.#session : this.#previous
    if (session?.local.ufrag !== ufrag) return this.#drop('username')
    session.handleRequest(this.#now, request, path)
  }

  /** Does what is due, and says what has come of it. */
  #settle(): void {
    this.#isDue = false
    this.#previous?.advance(this.#now)
    this.#session.advance(this.#now)
    this.#update()
    this.#nextAt = Math.min(this.#session.nextAt(), this.#previous?.nextAt() ?? NEVER)
  }

  #update(): void {
    if (this.#previous?.failed === true || this.#session.selected?.nominated === true) this.#dropPrevious()
    const selected = this.#session.selected ?? this.#previous?.selected
    if (selected !== this.#selected) {
      this.#selected = selected
      this.#emit({ type: 'selectedPair', pair: selected?.describe() })
    }
    const state = this.#computeState()
    if (state !== this.#state) {
      this.#state = state
      this.#emit({ type: 'stateChange', state })
    }
  }

  #computeState(): IceState {
    const session = this.#session
    const { selected } = session
    if (this.#state === 'closed') return 'closed'
    if (session.failed) return 'failed'
    if (selected !== undefined) {
      if (this.#now - selected.lastHeardAt >= this.#context.timing.disconnectedTimeout) return 'disconnected'
      // also while data goes over another pair, since the nominated one is silent
      const isDone = session.isNominated && session.endOfRemoteCandidates && !session.isChecking
      return isDone ? 'completed' : 'connected'
    }
    if (session.wasSelected && (!this.lite || session.isReceiving)) return 'disconnected'
    return session.remote === undefined && this.#previous === undefined ? 'new' : 'checking'
  }

  #newSession(credentials: IceCredentials | undefined): IceSession {
    const local =
      credentials === undefined ? generateCredentials(this.#context.crypto) : checkCredentials(credentials)
    return new IceSession(this.#context, local)
  }

  #dropPrevious(): void {
    this.#previous?.dispose()
    this.#previous = undefined
  }

  #changed(): void {
    this.#isDue = true
  }

  #assertOpen(): void {
    if (this.#state === 'closed') throw new UsageError('closed', 'the agent is closed: make a new one')
  }

  #emit(event: IceEvent): void {
    this.#outputs.push({ kind: 'event', event })
  }

  #drop(reason: IceDropReason): void {
    this.#dropped[reason]++
  }
}

/** Not a text, nor the object around it that signalling has: those would never be reached, and nothing would say so. */
function assertCandidate(candidate: Partial<Candidate> | undefined | null): void {
  if (typeof candidate?.address?.address === 'string') return
  throw new UsageError(
    'invalid-candidate',
    'give a Candidate: Candidate.parse makes it of the text `candidate:…`',
  )
}

/** By TCP it connects, or accepts connections, not both at once. */
function isSendable({ protocol, tcpType }: Candidate): boolean {
  return protocol === 'udp' || tcpType === 'active' || tcpType === 'passive'
}

/** Not unspecified, multicast or broadcast: those a peer must not make an agent send to. */
function isUnicast(address: string): boolean {
  return !/^(0\.|::$|22[4-9]\.|23\d\.|255\.255\.255\.255$|ff)/i.test(address) || address.endsWith('.local')
}
