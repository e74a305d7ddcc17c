// How an association begins and ends: RFC 9260 sections 5 and 9.
//
//   closed ─connect→ cookieWait ─INIT ACK→ cookieEchoed ─COOKIE ACK→ established
//   closed ─COOKIE ECHO (nothing is kept for an INIT)→ established
//   established ─shutdown→ shutdownPending ─all acknowledged→ shutdownSent ─SHUTDOWN ACK→ closed
//   established ─SHUTDOWN→ shutdownReceived ─all acknowledged→ shutdownAckSent ─SHUTDOWN COMPLETE→ closed

import { ByteWriter, type Instant, NEVER, type OutputQueue, readU32, latestInstant } from '@str0m/sans-io'
import { BackoffTimer } from './backoff-timer.ts'
import { COOKIE_LIFE, CookieJar, type CookieState } from './cookie.ts'
import type { CloseReason, SctpEvent } from './events.ts'
import { Heartbeat } from './heartbeat.ts'
import { agree, type LocalIdentity, makeOffer, newIdentity } from './negotiation.ts'
import type { Settings } from './options.ts'
import { SendQueue } from './outgoing.ts'
import type { Outbox } from './outbox.ts'
import type { IncomingMessage } from './stream-order.ts'
import { isForming, isUp, type SctpState } from './state.ts'
import { countDrop, type Counters, type DropReason } from './statistics.ts'
import type { ResetEvents } from './stream-resets.ts'
import { type Agreement, Transfer } from './transfer.ts'
import { CauseCode, ChunkType, TLV_HEADER } from './wire/constants.ts'
import { readInit } from './wire/init.ts'
import { joinFitting, joinPadded, makeChunk, makeParameter } from './wire/packet.ts'
import { TlvIterator } from './wire/tlv.ts'

const EMPTY = new Uint8Array(0)
/** T5-shutdown-guard, RFC 9260 section 9.2: in RTO.Max. */
const GUARD_FACTOR = 5

/** The state of an association, what it holds in that state, and the chunks that change it. */
export class Lifecycle {
  readonly heartbeat: Heartbeat
  queue: SendQueue = new SendQueue()
  state: SctpState = 'closed'
  /** Whether the association was and is no more. */
  ended = false
  /** There from `cookieEchoed` on. */
  transfer: Transfer | undefined
  readonly #settings: Settings
  readonly #counters: Counters
  readonly #outbox: Outbox
  readonly #events: OutputQueue<SctpEvent>
  readonly #jar: CookieJar
  #now: Instant = Number.NEGATIVE_INFINITY
  #local: LocalIdentity = { tag: 0, initialTsn: 0 }
  /** What our INIT chunk says that was given out. */
  #offered: LocalIdentity | undefined
  /** Whether our INIT says that checksums are not needed. One that was sent again does not: maybe the peer could not read it. */
  #zeroChecksum = true
  #cookie: Uint8Array = EMPTY
  /** T1-init, T1-cookie or T2-shutdown: which one, the state says. */
  readonly #timer: BackoffTimer
  /** T5-shutdown-guard: a peer that goes on sending would put the end off for ever. */
  #guardAt: Instant = NEVER
  /** Timeouts in a row: RFC 9260 section 8.1. */
  #errors = 0
  /** Cookies of this handshake that the peer called stale. */
  #staleCookies = 0
  readonly #deliver = (message: IncomingMessage): void => {
    this.#counters.messagesReceived++
    this.#events.push({ type: 'message', ...message })
  }
  readonly #resetEvents: ResetEvents = {
    onIncomingReset: (streams) => this.#events.push({ type: 'incomingReset', streams }),
    onOutgoingReset: (streams, performed) => this.#events.push({ type: 'outgoingReset', streams, performed }),
  }

  constructor(settings: Settings, counters: Counters, outbox: Outbox, events: OutputQueue<SctpEvent>) {
    this.#settings = settings
    this.#counters = counters
    this.#outbox = outbox
    this.#events = events
    this.#jar = new CookieJar(settings.crypto)
    this.#timer = new BackoffTimer(settings.rtoMax, settings.maxRetransmissions)
    this.heartbeat = new Heartbeat(settings.crypto, settings.heartbeatInterval)
  }

  get localTag(): number {
    return this.#local.tag
  }

  get peerTag(): number {
    return this.transfer?.peerTag ?? 0
  }

  get now(): Instant {
    return this.#now
  }

  /** Time does not go backwards. */
  setNow(now: Instant): void {
    this.#now = latestInstant(this.#now, now)
  }

  /** When `onTimer` is next to be called. */
  get nextAt(): Instant {
    return Math.min(this.#timer.at, this.#guardAt)
  }

  /** Our INIT chunk, whole: always the same. */
  offer(): Uint8Array {
    this.#offered ??= newIdentity(this.#settings)
    return makeChunk(ChunkType.init, 0, makeOffer(this.#settings, this.#offered, true))
  }

  /** Whether the peer may have our INIT chunk, and be established before this end is. */
  get hasOffered(): boolean {
    return this.#offered !== undefined
  }

  /** Both INIT chunks were exchanged otherwise: no handshake. False where the peer's is none. */
  accept(peerInit: Uint8Array): boolean {
    const chunks = new TlvIterator(peerInit, 0, peerInit.length)
    if (!chunks.check() || !chunks.next() || chunks.type !== ChunkType.init) return false
    const init = readInit(chunks)
    if (init === undefined || init.refusal !== undefined || chunks.next()) return false
    this.#offered ??= newIdentity(this.#settings)
    this.#adopt(agree(this.#settings, this.#offered, init, true))
    this.#establish()
    return true
  }

  /** Begins a handshake. */
  connect(): void {
    this.#zeroChecksum = true
    this.#local = this.#offered ?? newIdentity(this.#settings)
    this.state = 'cookieWait'
    this.#startTimer()
    this.#sendInit()
  }

  #drop(reason: DropReason): void {
    countDrop(this.#counters, reason)
  }

  #sendInit(): void {
    this.#outbox.sendAlone(0, ChunkType.init, 0, makeOffer(this.#settings, this.#local, this.#zeroChecksum))
  }

  // Timers

  #startTimer(): void {
    this.#timer.start(this.#now, this.transfer?.roundTrip.rto ?? this.#settings.rtoInitial)
  }

  /** T1-init, T1-cookie or T2-shutdown may have run out. */
  onTimer(): void {
    if (this.#guardAt <= this.#now) return this.#giveUp()
    if (this.#timer.at > this.#now) return
    if (!this.#timer.again(this.#now)) return this.#end('timeout')
    if (this.state === 'cookieWait') {
      this.#zeroChecksum = false
      this.#sendInit()
    } else if (this.state === 'cookieEchoed') this.#sendCookieEcho()
    else if (this.state === 'shutdownSent') this.#sendShutdown()
    else if (this.state === 'shutdownAckSent') this.#outbox.sendAlone(this.peerTag, ChunkType.shutdownAck)
    else this.#timer.stop()
  }

  /** The peer did not answer in time: RFC 9260 section 8.1. */
  countError(): void {
    this.#errors++
    if (this.#errors > this.#settings.maxRetransmissions && this.state !== 'closed') this.#giveUp()
  }

  #giveUp(): void {
    this.#outbox.sendAlone(this.peerTag, ChunkType.abort)
    this.#end('timeout')
  }

  /** The peer is there. */
  clearErrors(): void {
    this.#errors = 0
  }

  // The handshake

  /** RFC 9260 sections 5.1, 5.2.1 and 5.2.2: the answer goes into a cookie, and nothing changes. */
  onInit(chunk: TlvIterator): void {
    const init = readInit(chunk)
    // RFC 9260 section 8.5.1, rule A
    if (init === undefined || !chunk.isLast) return this.#drop('malformed')
    if (init.refusal !== undefined) return this.#refuse(init.initiateTag, init.refusal)
    if (this.ended) {
      this.#drop('unexpected')
      return this.#outbox.sendAlone(init.initiateTag, ChunkType.abort)
    }
    // RFC 9260 section 9.2
    if (this.state === 'shutdownAckSent') return this.#outbox.sendAlone(this.peerTag, ChunkType.shutdownAck)
    const forming = isForming(this.state)
    const local = forming ? this.#local : newIdentity(this.#settings)
    const transfer = forming ? undefined : this.transfer
    // to a peer that does not know of it, it would only be something unknown
    const zeroChecksum = (this.#zeroChecksum || !forming) && init.extensions.zeroChecksum
    const cookie = this.#jar.seal({
      createdAt: this.#now,
      localTieTag: transfer?.localTieTag ?? 0,
      peerTieTag: transfer?.peerTieTag ?? 0,
      ...agree(this.#settings, local, init, zeroChecksum),
    })
    const value = makeOffer(this.#settings, local, zeroChecksum, init.unrecognized, cookie)
    this.#outbox.sendAlone(init.initiateTag, ChunkType.initAck, 0, value)
  }

  onInitAck(chunk: TlvIterator): void {
    // RFC 9260 section 5.2.3
    if (this.state !== 'cookieWait') return this.#drop('unexpected')
    const init = readInit(chunk)
    if (init?.refusal !== undefined) {
      this.#refuse(init.initiateTag, init.refusal)
      return this.#end('protocol-violation')
    }
    if (init?.cookie === undefined) return this.#drop('malformed')
    this.#adopt(agree(this.#settings, this.#local, init, this.#zeroChecksum))
    this.#cookie = init.cookie
    this.state = 'cookieEchoed'
    this.#startTimer()
    this.#sendCookieEcho()
    if (init.unrecognized.length > 0) {
      this.#outbox.sendControl(
        ChunkType.error,
        makeParameter(
          CauseCode.unrecognizedParameters,
          joinFitting(init.unrecognized, this.#outbox.maxEchoed - TLV_HEADER),
        ),
      )
    }
  }

  /** RFC 9260 sections 3.3.2 and 5.1.2, B: no state changes for an INIT that is refused. */
  #refuse(tag: number, cause: number): void {
    this.#drop('malformed')
    this.#outbox.sendAlone(tag, ChunkType.abort, 0, makeParameter(cause, EMPTY))
  }

  #sendCookieEcho(): void {
    this.#outbox.sendAlone(this.peerTag, ChunkType.cookieEcho, 0, this.#cookie)
  }

  #adopt(agreement: Agreement): void {
    const random = this.#settings.crypto.randomBytes(8)
    const ties = { local: readU32(random, 0) || 1, peer: readU32(random, 4) || 1 }
    this.#local = { tag: agreement.localTag, initialTsn: agreement.localInitialTsn }
    const { outboundStreams } = agreement
    this.queue.dropStreamsFrom(outboundStreams)
    this.transfer = new Transfer(
      this.#settings,
      agreement,
      ties,
      this.queue,
      this.#counters,
      this.#deliver,
      this.#resetEvents,
    )
  }

  onCookieAck(): void {
    if (this.state === 'cookieEchoed') this.#establish()
  }

  #establish(): void {
    this.state = 'established'
    this.#timer.stop()
    this.#errors = 0
    this.#staleCookies = 0
    this.#cookie = EMPTY
    this.heartbeat.postpone(this.#now)
    this.#events.push({ type: 'connected' })
  }

  /** RFC 9260 sections 5.1.5 and 5.2.4. True where the rest of the packet is to be read. */
  onCookieEcho(bytes: Uint8Array, tag: number): boolean {
    const cookie = this.#jar.open(bytes)
    if (cookie === undefined || cookie.localTag !== tag || this.ended) {
      this.#drop('bad-cookie')
      return false
    }
    const transfer = this.transfer
    const sameLocal = this.state !== 'closed' && cookie.localTag === this.#local.tag
    const samePeer = transfer !== undefined && cookie.peerTag === transfer.peerTag
    if (this.#now - cookie.createdAt > COOKIE_LIFE && !(sameLocal && samePeer)) {
      this.#drop('stale-cookie')
      const staleness = new ByteWriter(4).u32(Math.min((this.#now - cookie.createdAt) * 1000, 0xffff_ffff))
      const cause = makeParameter(CauseCode.staleCookie, staleness.finish())
      this.#outbox.sendAlone(cookie.peerTag, ChunkType.error, 0, cause)
      return false
    }
    if (this.state === 'closed') {
      this.#adopt(cookie)
      this.#establish()
    } else if (sameLocal) {
      this.#onOwnCookie(cookie, samePeer)
    } else if (!this.#onRestart(cookie)) {
      return false
    }
    this.#outbox.sendControl(ChunkType.cookieAck)
    return true
  }

  /** Actions B and D of RFC 9260 section 5.2.4: both connected at once, or the COOKIE ACK was lost. */
  #onOwnCookie(cookie: CookieState, samePeer: boolean): void {
    const forming = isForming(this.state)
    if (!samePeer && forming) this.#adopt(cookie)
    else if (!samePeer && this.transfer !== undefined) this.transfer.peerTag = cookie.peerTag
    if (forming) this.#establish()
  }

  /** Action A: the peer has lost its state. False for all else, as action C: the cookie came late. */
  #onRestart(cookie: CookieState): boolean {
    const transfer = this.transfer
    const restarted =
      transfer !== undefined &&
      cookie.peerTag !== transfer.peerTag &&
      cookie.localTieTag === transfer.localTieTag &&
      cookie.peerTieTag === transfer.peerTieTag
    if (!restarted) {
      this.#drop('bad-cookie')
      return false
    }
    if (this.state === 'shutdownAckSent') {
      this.#outbox.sendAlone(this.peerTag, ChunkType.shutdownAck)
      const cause = makeParameter(CauseCode.cookieWhileShuttingDown, EMPTY)
      this.#outbox.sendAlone(cookie.peerTag, ChunkType.error, 0, cause)
      return false
    }
    this.queue = new SendQueue()
    this.#outbox.clearControl()
    this.heartbeat.stop()
    // it may have been shutting down
    this.#guardAt = NEVER
    this.#adopt(cookie)
    this.#events.push({ type: 'restarted' })
    this.#establish()
    return true
  }

  onError(chunk: TlvIterator): void {
    const causes = chunk.parameters(0)
    let isStale = false
    while (causes.next()) isStale ||= causes.head === CauseCode.staleCookie
    if (this.state !== 'cookieEchoed' || !isStale) return
    // RFC 9260 section 5.2.6: begin again, but not for ever
    if (++this.#staleCookies > this.#settings.maxRetransmissions) return this.#end('timeout')
    this.state = 'cookieWait'
    this.transfer = undefined
    this.#startTimer()
    this.#sendInit()
  }

  // The end

  /** Moves on where all is acknowledged: RFC 9260 section 9.2. */
  followShutdown(transfer: Transfer): void {
    if (this.state !== 'shutdownPending' && this.state !== 'shutdownReceived') return
    if (!transfer.sender.isDrained) return
    if (this.state === 'shutdownPending') {
      this.state = 'shutdownSent'
      this.#guardAt = this.#now + GUARD_FACTOR * this.#settings.rtoMax
      this.#sendShutdown()
    } else {
      this.state = 'shutdownAckSent'
      this.#outbox.sendControl(ChunkType.shutdownAck)
    }
    this.#startTimer()
  }

  #sendShutdown(): void {
    const { receiver } = this.transfer!
    const tsn = receiver.cumulativeTsn
    this.#outbox.sendControl(ChunkType.shutdown, Uint8Array.of(tsn >>> 24, tsn >>> 16, tsn >>> 8, tsn))
    if (receiver.hasGaps) receiver.requestSack()
  }

  onShutdown(chunk: TlvIterator): void {
    const transfer = this.transfer
    if (!isUp(this.state) || transfer === undefined || chunk.length < 4) return this.#drop('unexpected')
    if (!transfer.sender.onCumulative(this.#now, readU32(chunk.bytes, chunk.valueStart)))
      return this.#drop('bad-sack')
    this.#errors = 0
    if (this.state === 'shutdownSent') {
      this.state = 'shutdownAckSent'
      this.#outbox.sendControl(ChunkType.shutdownAck)
      this.#startTimer()
    } else if (this.state === 'established' || this.state === 'shutdownPending') {
      this.state = 'shutdownReceived'
    }
  }

  onShutdownComplete(): void {
    if (this.state === 'shutdownAckSent') this.#end('shutdown')
  }

  onAbort(): void {
    this.#end('aborted-by-peer')
  }

  /** Data came. One that has sent SHUTDOWN says so again: RFC 9260 section 9.2. */
  onDataPacket(): void {
    if (this.state !== 'shutdownSent') return
    this.#sendShutdown()
    this.#startTimer()
  }

  onShutdownAck(): void {
    if (this.state === 'shutdownSent' || this.state === 'shutdownAckSent') {
      this.#outbox.sendAlone(this.peerTag, ChunkType.shutdownComplete)
      this.#end('shutdown')
    }
  }

  /** Ends the association with an ABORT that names `cause`. */
  abort(cause: number, info: Uint8Array, reason: CloseReason): void {
    if (this.transfer !== undefined) {
      this.#outbox.sendAlone(this.peerTag, ChunkType.abort, 0, joinPadded([makeParameter(cause, info)]))
    }
    this.#end(reason)
  }

  #end(reason: CloseReason): void {
    this.state = 'closed'
    this.ended = true
    this.transfer = undefined
    this.queue = new SendQueue()
    this.#outbox.clearControl()
    this.#cookie = EMPTY
    this.#timer.stop()
    this.#guardAt = NEVER
    this.heartbeat.stop()
    this.#events.push({ type: 'closed', reason })
  }
}
