// An SCTP association over a datagram transport: RFC 9260 section 4, over DTLS as in RFC 8261.
//
//   closed ─connect→ cookieWait ─INIT ACK→ cookieEchoed ─COOKIE ACK→ established
//   closed ─COOKIE ECHO (nothing is kept for an INIT)→ established
//   established ─shutdown→ shutdownPending ─all acknowledged→ shutdownSent ─SHUTDOWN ACK→ closed
//   established ─SHUTDOWN→ shutdownReceived ─all acknowledged→ shutdownAckSent ─SHUTDOWN COMPLETE→ closed

import {
  encodeUtf8,
  type Instant,
  type Machine,
  type Output,
  OutputQueue,
  plainBytes,
  readU32,
  type ReceiveInput,
  type TimeoutInput,
  UsageError,
} from '@str0m/sans-io'
import { admit } from './admission.ts'
import { BackoffTimer } from './backoff-timer.ts'
import { COOKIE_LIFE, CookieJar, type CookieState } from './cookie.ts'
import type { CloseReason, SctpEvent } from './events.ts'
import { Heartbeat } from './heartbeat.ts'
import { agree, type LocalIdentity, makeOffer, newIdentity } from './negotiation.ts'
import { type SctpOptions, type Settings, settingsOf } from './options.ts'
import { type Delivery, MAX_QUEUED_MESSAGES, OutgoingMessage, SendQueue } from './outgoing.ts'
import { MAX_ECHOED, Outbox } from './outbox.ts'
import type { IncomingMessage } from './reassembly.ts'
import { isForming, isUp, maySendData, type SctpState } from './state.ts'
import { countDrop, type Counters, type DropReason, makeCounters, type SctpStatistics } from './statistics.ts'
import type { ResetEvents } from './stream-resets.ts'
import { type Agreement, makeStatistics, Transfer } from './transfer.ts'
import { CauseCode, ChunkType, COMMON_HEADER, FLAG_T, ParameterType, unknownType } from './wire/constants.ts'
import { readInit } from './wire/init.ts'
import { joinPadded, makeParameter } from './wire/packet.ts'
import type { TlvIterator } from './wire/tlv.ts'

const EMPTY = new Uint8Array(0)

export type SctpOutput = Output<SctpEvent>

/** One association. It answers a peer that connects, and connects where `connect` is called; both at once is fine. */
export class SctpAssociation implements Machine<SctpEvent> {
  readonly #settings: Settings
  readonly #jar: CookieJar
  readonly #counters: Counters = makeCounters()
  readonly #events = new OutputQueue<SctpEvent>()
  readonly #outbox: Outbox
  readonly #heartbeat: Heartbeat
  #queue = new SendQueue()
  #state: SctpState = 'closed'
  /** Whether the association was and is no more. */
  #ended = false
  #now: Instant = Number.NEGATIVE_INFINITY
  #local: LocalIdentity = { tag: 0, initialTsn: 0 }
  #cookie: Uint8Array = EMPTY
  #transfer: Transfer | undefined
  /** T1-init, T1-cookie or T2-shutdown: which one, the state says. */
  readonly #handshakeTimer: BackoffTimer
  #errors = 0
  readonly #deliver = (message: IncomingMessage): void => {
    this.#counters.messagesReceived++
    this.#events.push({ type: 'message', ...message })
  }
  readonly #resetEvents: ResetEvents = {
    onIncomingReset: (streams) => this.#events.push({ type: 'incomingReset', streams }),
    onOutgoingReset: (streams, performed) => this.#events.push({ type: 'outgoingReset', streams, performed }),
  }

  /** Throws a `UsageError` (`invalid-option`) where an option is out of its range. */
  constructor(options: SctpOptions = {}) {
    this.#settings = settingsOf(options)
    this.#jar = new CookieJar(this.#settings.crypto)
    this.#handshakeTimer = new BackoffTimer(this.#settings.rtoMax, this.#settings.maxRetransmissions)
    this.#outbox = new Outbox(this.#settings, this.#counters)
    this.#heartbeat = new Heartbeat(this.#settings.crypto, this.#settings.heartbeatInterval)
  }

  get state(): SctpState {
    return this.#state
  }

  /** Streams that may be sent on: below what both ends agreed on; what the options say before that. */
  get outboundStreams(): number {
    return this.#transfer?.outboundStreams ?? this.#settings.streams
  }

  /** Whether the peer lets streams be reset (RFC 6525). Known once connected. */
  get canResetStreams(): boolean {
    return this.#transfer?.peerExtensions.reConfig ?? false
  }

  get statistics(): SctpStatistics {
    return makeStatistics(this.#counters, this.#settings, this.#transfer)
  }

  /** Starts the handshake. Throws a `UsageError` (`invalid-state`) where it was started or the association has ended. */
  connect(now: Instant): void {
    this.#setNow(now)
    // the peer was first
    if (this.#transfer !== undefined && this.#state !== 'closed') return
    if (this.#state !== 'closed' || this.#ended) {
      throw new UsageError(
        'invalid-state',
        `connect() is for a new association, not one that is ${this.#state}`,
      )
    }
    this.#local = newIdentity(this.#settings)
    this.#state = 'cookieWait'
    this.#startHandshakeTimer()
    this.#sendInit()
  }

  /**
   * Queues a message; its bytes are read until it is acknowledged, so leave them be. It may be called before the
   * association is connected. False where the send buffer is full: nothing was queued. Throws a `UsageError`:
   * `invalid-state` where the association is closing, `invalid-stream`, `stream-closing` while the stream is reset,
   * `empty-message` (RFC 8831 section 6.6 has a payload protocol for these).
   */
  send(now: Instant, stream: number, ppid: number, data: Uint8Array, delivery: Delivery = {}): boolean {
    this.#setNow(now)
    this.#requireOpen('send')
    if (!Number.isInteger(stream) || stream < 0 || stream >= this.outboundStreams) {
      throw new UsageError(
        'invalid-stream',
        `a stream is from 0 to ${this.outboundStreams - 1}, not ${stream}`,
      )
    }
    if (data.length === 0) throw new UsageError('empty-message', 'a message has at least one byte')
    if (this.#queue.find(stream)?.closing === true) {
      throw new UsageError('stream-closing', `stream ${stream} is being reset`)
    }
    const queue = this.#queue
    if (queue.messages >= MAX_QUEUED_MESSAGES) return false
    if (queue.bytes > 0 && queue.bytes + data.length > this.#settings.sendBuffer) return false
    queue.push(new OutgoingMessage(queue.stream(stream), this.#now, ppid, plainBytes(data), delivery))
    this.#counters.messagesSent++
    return true
  }

  /** Bytes queued on a stream and not yet sent for the first time. */
  bufferedAmount(stream: number): number {
    return this.#queue.find(stream)?.buffered ?? 0
  }

  /** Bytes at or below which `bufferedAmountLow` is reported for a stream. Default 0. */
  setBufferedAmountLowThreshold(stream: number, bytes: number): void {
    this.#queue.stream(stream).lowThreshold = bytes
  }

  /**
   * Resets an outgoing stream (RFC 6525) once all that is queued on it has been sent; until `outgoingReset` nothing may
   * be sent on it. Throws a `UsageError`: `invalid-state`, `not-supported` where the peer does not.
   */
  resetStream(now: Instant, stream: number): void {
    this.#setNow(now)
    this.#requireOpen('resetStream')
    if (this.#transfer === undefined || !this.canResetStreams) {
      throw new UsageError('not-supported', 'the peer does not know RE-CONFIG, or is not connected')
    }
    const outgoing = this.#queue.stream(stream)
    if (outgoing.closing) return
    outgoing.closing = true
    this.#transfer.resets.want(stream)
  }

  /** Ends the association once all that is queued is acknowledged. Throws a `UsageError` (`invalid-state`) unless it is connected. */
  shutdown(now: Instant): void {
    this.#setNow(now)
    if (this.#state !== 'established') {
      throw new UsageError(
        'invalid-state',
        `shutdown() is for an association that is connected, not ${this.#state}`,
      )
    }
    this.#state = 'shutdownPending'
  }

  /** Ends the association at once. What is not acknowledged may be lost. Without effect where there is none. */
  abort(now: Instant, reason = ''): void {
    this.#setNow(now)
    if (this.#state === 'closed') return
    this.#abort(CauseCode.userInitiatedAbort, encodeUtf8(reason).slice(0, MAX_ECHOED), 'aborted')
  }

  #requireOpen(method: string): void {
    const { state } = this
    if (state === 'established' || state === 'cookieWait' || state === 'cookieEchoed') return
    if (state === 'closed' && !this.#ended) return
    throw new UsageError('invalid-state', `${method}() is for an association that is open, not ${state}`)
  }

  #setNow(now: Instant): void {
    if (now > this.#now) this.#now = now
  }

  handleInput(input: TimeoutInput | ReceiveInput): void {
    this.#setNow(input.now)
    if (input.kind === 'receive') this.#receive(plainBytes(input.contents))
    this.#onTimers()
  }

  pollOutput(): SctpOutput {
    const datagram = this.#outbox.poll() ?? this.#makePacket()
    if (datagram !== undefined) {
      this.#counters.packetsSent++
      return { kind: 'transmit', contents: datagram }
    }
    for (let low = this.#queue.lowStreams.shift(); low !== undefined; low = this.#queue.lowStreams.shift()) {
      this.#events.push({ type: 'bufferedAmountLow', stream: low })
    }
    const event = this.#events.shift()
    if (event !== undefined) return { kind: 'event', event }
    return { kind: 'timeout', at: this.#nextAt() }
  }

  #nextAt(): Instant {
    const transfer = this.#transfer
    const handshake = Math.min(this.#handshakeTimer.at, this.#heartbeat.nextAt)
    if (transfer === undefined || !isUp(this.#state)) return handshake
    return Math.min(handshake, transfer.sender.nextAt, transfer.receiver.sackAt, transfer.resets.nextAt)
  }

  // Sending

  /** One packet with all that may go in it now. */
  #makePacket(): Uint8Array | undefined {
    const transfer = this.#transfer
    if (transfer === undefined || !isUp(this.#state)) return undefined
    const now = this.#now
    const { sender, receiver, resets } = transfer
    this.#followShutdown(transfer)
    const hasData = maySendData(this.#state) && sender.canSend(now)
    const sackIsDue = receiver.sackIsDue(now)
    if (!hasData && !sackIsDue && !this.#outbox.hasControl && !resets.isDue) return undefined
    const writer = this.#outbox.writer(this.#settings.maxPacketSize, transfer.peerTag)
    this.#outbox.writeControl(writer)
    if (sackIsDue || (hasData && receiver.sackIsPending)) receiver.writeSack(writer)
    if (resets.isDue && writer.room > this.#settings.maxPacketSize - COMMON_HEADER - 64) {
      const chunk = resets.poll(now)
      if (chunk !== undefined) writer.append(chunk)
    }
    if (hasData) sender.fill(writer, now)
    if (writer.isEmpty) return undefined
    this.#heartbeat.postpone(now)
    return writer.finish(!(this.#settings.zeroChecksum && transfer.peerExtensions.zeroChecksum))
  }

  #sendInit(): void {
    this.#outbox.sendAlone(0, ChunkType.init, 0, makeOffer(this.#settings, this.#local))
  }

  // Timers

  #startHandshakeTimer(): void {
    this.#handshakeTimer.start(this.#now, this.#transfer?.roundTrip.rto ?? this.#settings.rtoInitial)
  }

  #onTimers(): void {
    const now = this.#now
    if (this.#handshakeTimer.at <= now) this.#onHandshakeTimer()
    const transfer = this.#transfer
    if (transfer === undefined || !isUp(this.#state)) return
    if (this.#heartbeat.nextAt <= now) this.#onHeartbeatTimer()
    if (transfer.sender.onTimer(now)) this.#countError()
    if (transfer.resets.onTimer(now)) this.#countError()
  }

  #onHandshakeTimer(): void {
    if (!this.#handshakeTimer.again(this.#now)) return this.#end('timeout')
    if (this.#state === 'cookieWait') this.#sendInit()
    else if (this.#state === 'cookieEchoed') this.#sendCookieEcho()
    else if (this.#state === 'shutdownSent') this.#sendShutdown()
    else if (this.#state === 'shutdownAckSent') this.#outbox.sendAlone(this.#peerTag, ChunkType.shutdownAck)
    else this.#handshakeTimer.stop()
  }

  #onHeartbeatTimer(): void {
    this.#heartbeat.postpone(this.#now)
    if (this.#state !== 'established') return
    if (this.#heartbeat.isUnanswered) this.#countError()
    const info = makeParameter(ParameterType.heartbeatInfo, this.#heartbeat.start())
    this.#outbox.sendControl(ChunkType.heartbeat, info)
  }

  /** RFC 9260 section 8.1. */
  #countError(): void {
    this.#errors++
    if (this.#errors <= this.#settings.maxRetransmissions || this.#state === 'closed') return
    this.#outbox.sendAlone(this.#peerTag, ChunkType.abort)
    this.#end('timeout')
  }

  // Receiving

  #drop(reason: DropReason): void {
    countDrop(this.#counters, reason)
  }

  #receive(bytes: Uint8Array): void {
    this.#counters.packetsReceived++
    const admitted = admit(bytes, this.#settings)
    if (typeof admitted === 'string') return this.#drop(admitted)
    const { type, flags, chunks, verificationTag: tag } = admitted
    if (type === ChunkType.init) {
      if (tag !== 0 || !chunks.next()) return this.#drop('wrong-tag')
      return this.#onInit(chunks)
    }
    if (type === ChunkType.cookieEcho) {
      if (!chunks.next() || !this.#onCookieEcho(chunks.value(), tag)) return
    } else if (this.#ended) {
      return this.#onOutOfTheBlue(type, tag)
    } else if (!this.#tagIsRight(type, flags, tag)) {
      return this.#drop('wrong-tag')
    }
    this.#dispatch(chunks)
  }

  /** RFC 9260 sections 8.5 and 8.5.1. */
  #tagIsRight(type: number, flags: number, tag: number): boolean {
    if (this.#state === 'closed') return false
    if ((type === ChunkType.abort || type === ChunkType.shutdownComplete) && (flags & FLAG_T) !== 0) {
      return this.#transfer !== undefined && tag === this.#peerTag
    }
    return tag === this.#local.tag
  }

  get #peerTag(): number {
    return this.#transfer?.peerTag ?? 0
  }

  /** RFC 9260 section 8.4. */
  #onOutOfTheBlue(type: number, tag: number): void {
    this.#drop('unexpected')
    if (type === ChunkType.abort || type === ChunkType.shutdownComplete || type === ChunkType.error) return
    if (type === ChunkType.cookieAck) return
    this.#outbox.sendAlone(
      tag,
      type === ChunkType.shutdownAck ? ChunkType.shutdownComplete : ChunkType.abort,
      FLAG_T,
    )
  }

  #dispatch(chunks: TlvIterator): void {
    let hadData = false
    while (this.#state !== 'closed' && chunks.next()) {
      if (chunks.type === ChunkType.data) {
        if (isUp(this.#state)) hadData = this.#onData(chunks) || hadData
        else this.#drop('unexpected')
      } else if (!this.#onChunk(chunks)) {
        break
      }
    }
    const transfer = this.#transfer
    if (!hadData || transfer === undefined || this.#state === 'closed') return
    transfer.receiver.endPacket(this.#now)
    if (this.#state === 'shutdownSent') {
      this.#sendShutdown()
      this.#startHandshakeTimer()
    }
  }

  /** False where nothing more of the packet is to be read. */
  #onChunk(chunk: TlvIterator): boolean {
    const transfer = isUp(this.#state) ? this.#transfer : undefined
    switch (chunk.type) {
      case ChunkType.sack:
        if (transfer === undefined) this.#drop('unexpected')
        else if (transfer.sender.onSack(this.#now, chunk)) this.#errors = 0
        else this.#drop('bad-sack')
        return true
      case ChunkType.forwardTsn:
        transfer?.receiver.onForwardTsn(chunk)
        transfer?.resets.onProgress()
        return true
      case ChunkType.reConfig:
        transfer?.resets.onChunk(chunk)
        return true
      case ChunkType.heartbeat:
        if (transfer !== undefined && chunk.length <= MAX_ECHOED) {
          this.#outbox.sendControl(ChunkType.heartbeatAck, chunk.value().slice())
        }
        return true
      case ChunkType.heartbeatAck:
        this.#onHeartbeatAck(chunk)
        return true
      case ChunkType.initAck:
        this.#onInitAck(chunk)
        return false
      case ChunkType.cookieAck:
        if (this.#state === 'cookieEchoed') this.#establish()
        return true
      case ChunkType.abort:
        this.#end('aborted-by-peer')
        return false
      case ChunkType.shutdown:
        this.#onShutdown(chunk)
        return true
      case ChunkType.shutdownAck:
        this.#onShutdownAck()
        return true
      case ChunkType.shutdownComplete:
        if (this.#state === 'shutdownAckSent') this.#end('shutdown')
        return false
      case ChunkType.error:
        this.#onError(chunk)
        return true
      case ChunkType.init:
      case ChunkType.cookieEcho:
        // neither comes after another chunk
        this.#drop('unexpected')
        return false
      default:
        return this.#onUnknownChunk(chunk)
    }
  }

  #onUnknownChunk(chunk: TlvIterator): boolean {
    this.#drop('unknown-chunk')
    const { stop, report } = unknownType(chunk.type >>> 6)
    if (report && isUp(this.#state)) {
      const unknown = chunk.whole().slice(0, MAX_ECHOED - 8)
      this.#outbox.sendControl(
        ChunkType.error,
        joinPadded([makeParameter(CauseCode.unrecognizedChunk, unknown)]),
      )
    }
    return !stop
  }

  /** True where the chunk counts for acknowledgements. */
  #onData(chunk: TlvIterator): boolean {
    const { receiver, resets } = this.#transfer!
    switch (receiver.onData(chunk)) {
      case 'no-user-data': {
        const tsn = chunk.value().slice(0, 4)
        this.#abort(CauseCode.noUserData, tsn, 'protocol-violation')
        return false
      }
      case 'violation':
        this.#abort(CauseCode.protocolViolation, EMPTY, 'protocol-violation')
        return false
      case 'invalid-stream': {
        const stream = Uint8Array.of(chunk.value()[4]!, chunk.value()[5]!, 0, 0)
        this.#outbox.sendControl(ChunkType.error, makeParameter(CauseCode.invalidStream, stream))
        break
      }
      default:
    }
    resets.onProgress()
    return true
  }

  #onHeartbeatAck(chunk: TlvIterator): void {
    if (!this.#heartbeat.isAnsweredBy(chunk.value())) return this.#drop('unexpected')
    this.#errors = 0
  }

  // The handshake

  /** RFC 9260 sections 5.1, 5.2.1 and 5.2.2: the answer goes into a cookie, and nothing changes. */
  #onInit(chunk: TlvIterator): void {
    const init = readInit(chunk)
    if (init === undefined) return this.#drop('malformed')
    if (this.#ended) {
      this.#drop('unexpected')
      return this.#outbox.sendAlone(init.initiateTag, ChunkType.abort)
    }
    // RFC 9260 section 9.2
    if (this.#state === 'shutdownAckSent') return this.#outbox.sendAlone(this.#peerTag, ChunkType.shutdownAck)
    const forming = isForming(this.#state)
    const local = forming ? this.#local : newIdentity(this.#settings)
    const transfer = forming ? undefined : this.#transfer
    const cookie = this.#jar.seal({
      createdAt: this.#now,
      localTieTag: transfer?.localTieTag ?? 0,
      peerTieTag: transfer?.peerTieTag ?? 0,
      ...agree(this.#settings, local, init),
    })
    const value = makeOffer(this.#settings, local, init.unrecognized, cookie)
    this.#outbox.sendAlone(init.initiateTag, ChunkType.initAck, 0, value)
  }

  #onInitAck(chunk: TlvIterator): void {
    // RFC 9260 section 5.2.3
    if (this.#state !== 'cookieWait') return this.#drop('unexpected')
    const init = readInit(chunk)
    if (init?.cookie === undefined) return this.#drop('malformed')
    this.#adopt(agree(this.#settings, this.#local, init))
    this.#cookie = init.cookie
    this.#state = 'cookieEchoed'
    this.#startHandshakeTimer()
    this.#sendCookieEcho()
    if (init.unrecognized.length > 0) {
      const cause = makeParameter(CauseCode.unrecognizedParameters, joinPadded(init.unrecognized))
      this.#outbox.sendControl(ChunkType.error, cause)
    }
  }

  #sendCookieEcho(): void {
    this.#outbox.sendAlone(this.#peerTag, ChunkType.cookieEcho, 0, this.#cookie)
  }

  #adopt(agreement: Agreement): void {
    const random = this.#settings.crypto.randomBytes(8)
    const ties = { local: readU32(random, 0) || 1, peer: readU32(random, 4) || 1 }
    this.#local = { tag: agreement.localTag, initialTsn: agreement.localInitialTsn }
    const { outboundStreams } = agreement
    this.#queue.dropStreamsFrom(outboundStreams)
    this.#transfer = new Transfer(
      this.#settings,
      agreement,
      ties,
      this.#queue,
      this.#counters,
      this.#deliver,
      this.#resetEvents,
    )
  }

  #establish(): void {
    this.#state = 'established'
    this.#handshakeTimer.stop()
    this.#errors = 0
    this.#cookie = EMPTY
    this.#heartbeat.postpone(this.#now)
    this.#events.push({ type: 'connected' })
  }

  /** RFC 9260 sections 5.1.5 and 5.2.4. True where the rest of the packet is to be read. */
  #onCookieEcho(bytes: Uint8Array, tag: number): boolean {
    const cookie = this.#jar.open(bytes)
    if (cookie === undefined || cookie.localTag !== tag || this.#ended) {
      this.#drop('bad-cookie')
      return false
    }
    const transfer = this.#transfer
    const sameLocal = this.#state !== 'closed' && cookie.localTag === this.#local.tag
    const samePeer = transfer !== undefined && cookie.peerTag === transfer.peerTag
    if (this.#now - cookie.createdAt > COOKIE_LIFE && !(sameLocal && samePeer)) {
      this.#drop('stale-cookie')
      const staleness = makeParameter(CauseCode.staleCookie, new Uint8Array(4))
      this.#outbox.sendAlone(cookie.peerTag, ChunkType.error, 0, staleness)
      return false
    }
    if (this.#state === 'closed') {
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
    const forming = isForming(this.#state)
    if (!samePeer && forming) this.#adopt(cookie)
    else if (!samePeer && this.#transfer !== undefined) this.#transfer.peerTag = cookie.peerTag
    if (forming) this.#establish()
  }

  /** Action A: the peer has lost its state. False for all else, as action C: the cookie came late. */
  #onRestart(cookie: CookieState): boolean {
    const transfer = this.#transfer
    const restarted =
      transfer !== undefined &&
      cookie.peerTag !== transfer.peerTag &&
      cookie.localTieTag === transfer.localTieTag &&
      cookie.peerTieTag === transfer.peerTieTag
    if (!restarted) {
      this.#drop('bad-cookie')
      return false
    }
    if (this.#state === 'shutdownAckSent') {
      this.#outbox.sendAlone(this.#peerTag, ChunkType.shutdownAck)
      const cause = makeParameter(CauseCode.cookieWhileShuttingDown, EMPTY)
      this.#outbox.sendAlone(cookie.peerTag, ChunkType.error, 0, cause)
      return false
    }
    this.#queue = new SendQueue()
    this.#outbox.clearControl()
    this.#heartbeat.stop()
    this.#adopt(cookie)
    this.#events.push({ type: 'restarted' })
    this.#establish()
    return true
  }

  #onError(chunk: TlvIterator): void {
    const causes = chunk.parameters(0)
    if (this.#state !== 'cookieEchoed' || !causes.next() || causes.head !== CauseCode.staleCookie) return
    // RFC 9260 section 5.2.6: begin again
    this.#state = 'cookieWait'
    this.#transfer = undefined
    this.#sendInit()
  }

  // The end

  /** Moves on where all is acknowledged: RFC 9260 section 9.2. */
  #followShutdown(transfer: Transfer): void {
    if (this.#state !== 'shutdownPending' && this.#state !== 'shutdownReceived') return
    if (!transfer.sender.isDrained) return
    if (this.#state === 'shutdownPending') {
      this.#state = 'shutdownSent'
      this.#sendShutdown()
    } else {
      this.#state = 'shutdownAckSent'
      this.#outbox.sendControl(ChunkType.shutdownAck)
    }
    this.#startHandshakeTimer()
  }

  #sendShutdown(): void {
    const { receiver } = this.#transfer!
    const tsn = receiver.cumulativeTsn
    this.#outbox.sendControl(ChunkType.shutdown, Uint8Array.of(tsn >>> 24, tsn >>> 16, tsn >>> 8, tsn))
    if (receiver.hasGaps) receiver.requestSack()
  }

  #onShutdown(chunk: TlvIterator): void {
    const transfer = this.#transfer
    if (!isUp(this.#state) || transfer === undefined || chunk.length < 4) return this.#drop('unexpected')
    if (!transfer.sender.onCumulative(this.#now, readU32(chunk.bytes, chunk.valueStart)))
      return this.#drop('bad-sack')
    this.#errors = 0
    if (this.#state === 'shutdownSent') {
      this.#state = 'shutdownAckSent'
      this.#outbox.sendControl(ChunkType.shutdownAck)
      this.#startHandshakeTimer()
    } else if (this.#state === 'established' || this.#state === 'shutdownPending') {
      this.#state = 'shutdownReceived'
    }
  }

  #onShutdownAck(): void {
    if (this.#state === 'shutdownSent' || this.#state === 'shutdownAckSent') {
      this.#outbox.sendAlone(this.#peerTag, ChunkType.shutdownComplete)
      this.#end('shutdown')
    } else if (!isUp(this.#state)) {
      // RFC 9260 section 8.5.1, rule E
      this.#outbox.sendAlone(this.#local.tag, ChunkType.shutdownComplete, FLAG_T)
    }
  }

  #abort(cause: number, info: Uint8Array, reason: CloseReason): void {
    if (this.#transfer !== undefined) {
      this.#outbox.sendAlone(this.#peerTag, ChunkType.abort, 0, joinPadded([makeParameter(cause, info)]))
    }
    this.#end(reason)
  }

  #end(reason: CloseReason): void {
    this.#state = 'closed'
    this.#ended = true
    this.#transfer = undefined
    this.#queue = new SendQueue()
    this.#outbox.clearControl()
    this.#cookie = EMPTY
    this.#handshakeTimer.stop()
    this.#heartbeat.stop()
    this.#events.push({ type: 'closed', reason })
  }
}
