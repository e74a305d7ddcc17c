// An SCTP association over a datagram transport: RFC 9260, over DTLS as in RFC 8261. Packets come in here, are looked at
// (section 8.5), and each chunk goes to its owner: the lifecycle, the sender, the receiver, or the resets. Packets
// that go out are put together here out of what the owners have to say (section 6.10).

import {
  checkInput,
  encodeUtf8,
  type Instant,
  type Machine,
  type Output,
  OutputQueue,
  plainBytes,
  type ReceiveInput,
  type TimeoutInput,
  UsageError,
  isBytes,
} from '@str0m/sans-io'
import { admit, type AdmittedPacket } from './admission.ts'
import type { SctpEvent } from './events.ts'
import { Lifecycle } from './lifecycle.ts'
import { checkInteger, checkNotNegative, type SctpOptions, type Settings, settingsOf } from './options.ts'
import { type Delivery, MAX_QUEUED_MESSAGES, OutgoingMessage } from './outgoing.ts'
import { Outbox } from './outbox.ts'
import { isForming, isUp, maySendData, type SctpState } from './state.ts'
import { countDrop, type Counters, type DropReason, makeCounters, type SctpStatistics } from './statistics.ts'
import { RESET_RESERVE } from './stream-resets.ts'
import { makeStatistics } from './transfer.ts'
import {
  CauseCode,
  ChunkType,
  COMMON_HEADER,
  FLAG_T,
  ParameterType,
  TLV_HEADER,
  unknownType,
} from './wire/constants.ts'
import { joinPadded, makeParameter } from './wire/packet.ts'
import type { TlvIterator } from './wire/tlv.ts'

const EMPTY = new Uint8Array(0)
/** What is not answered where it comes out of the blue: RFC 9260 section 8.4, rules 2, 6 and 7. */
const SILENT_TYPES: ReadonlySet<number> = new Set([
  ChunkType.abort,
  ChunkType.shutdownComplete,
  ChunkType.cookieAck,
  ChunkType.error,
])

export type SctpOutput = Output<SctpEvent>

/** One association. It answers a peer that connects, and connects where `connect` is called; both at once is fine. */
export class SctpAssociation implements Machine<SctpEvent> {
  readonly #settings: Settings
  readonly #counters: Counters = makeCounters()
  readonly #events = new OutputQueue<SctpEvent>()
  readonly #outbox: Outbox
  readonly #life: Lifecycle

  /** Throws a `UsageError` (`invalid-option`) where an option is out of its range. */
  constructor(options: SctpOptions = {}) {
    this.#settings = settingsOf(options)
    this.#outbox = new Outbox(this.#settings, this.#counters)
    this.#life = new Lifecycle(this.#settings, this.#counters, this.#outbox, this.#events)
  }

  get state(): SctpState {
    return this.#life.state
  }

  /** Streams that may be sent on: below what both ends agreed on; what the options say before that. */
  get outboundStreams(): number {
    return this.#life.transfer?.outboundStreams ?? this.#settings.streams
  }

  /** Whether the peer lets streams be reset (RFC 6525). Known once connected. */
  get canResetStreams(): boolean {
    return this.#life.transfer?.peerExtensions.reConfig ?? false
  }

  get statistics(): SctpStatistics {
    return makeStatistics(this.#counters, this.#settings, this.#life.transfer)
  }

  /**
   * Starts the handshake. Nothing, where the association is up, as where the peer was first. Throws a `UsageError` (`invalid-state`) while the handshake is
   * under way, and where the association has ended.
   */
  connect(now: Instant): void {
    this.#life.setNow(now)
    // the peer was first
    if (this.#life.transfer !== undefined && this.#life.state !== 'closed') return
    if (this.#life.state !== 'closed' || this.#life.ended) {
      throw new UsageError(
        'invalid-state',
        `connect() is for a new association, not one that is ${this.#life.state}`,
      )
    }
    this.#life.connect()
  }

  /**
   * Our INIT chunk, for `a=sctp-init` (draft-hancke-tsvwg-snap): in base64 it goes with the session description. The same at each
   * call. Where the peer sends none, `connect` as ever.
   */
  initChunk(): Uint8Array {
    return this.#life.offer()
  }

  /**
   * Connects without a handshake: both ends have each other's INIT chunk. False where `peerInit` is none: `connect` then. The session
   * description has to be as trustworthy as a cookie (it is where it tells the DTLS fingerprint). Throws a `UsageError`
   * (`invalid-state`) where the association was started, has ended, or our own chunk was not asked for.
   */
  connectWith(now: Instant, peerInit: Uint8Array): boolean {
    this.#life.setNow(now)
    if (this.#life.state !== 'closed' || this.#life.ended || !this.#life.hasOffered) {
      throw new UsageError(
        'invalid-state',
        'connectWith() is for a new association whose initChunk() the peer has',
      )
    }
    return this.#life.accept(plainBytes(peerInit))
  }

  /**
   * Queues a message; its bytes are read until it is acknowledged, so leave them be. It may be called before the
   * association is connected. False where the send buffer is full: nothing was queued, and `bufferedAmountLow` says when there
   * is room, also where it is other streams that fill it. Throws a `UsageError`:
   * `invalid-state` where the association is closing, `invalid-stream`, `invalid-option`, `stream-closing` while the stream is reset,
   * `invalid-message` for what is no bytes, `empty-message` (RFC 8831 section 6.6 has a payload protocol for these).
   */
  send(now: Instant, stream: number, ppid: number, data: Uint8Array, delivery: Delivery = {}): boolean {
    this.#life.setNow(now)
    this.#requireOpen('send')
    this.#requireStream(stream)
    checkInteger('ppid', ppid, 0xffff_ffff)
    const { maxRetransmits, lifetime } = delivery
    if (maxRetransmits !== undefined) checkNotNegative('maxRetransmits', maxRetransmits)
    if (lifetime !== undefined) checkNotNegative('lifetime', lifetime)
    if (!isBytes(data)) throw new UsageError('invalid-message', 'a message is a Uint8Array')
    if (data.length === 0) throw new UsageError('empty-message', 'a message has at least one byte')
    if (this.#life.queue.find(stream)?.closing === true) {
      throw new UsageError('stream-closing', `stream ${stream} is being reset`)
    }
    const queue = this.#life.queue
    const { sendBuffer } = this.#settings
    const isFull = queue.bytes > 0 && queue.bytes + data.length > sendBuffer
    if (isFull || queue.messages >= MAX_QUEUED_MESSAGES) {
      queue.refuse(stream, Math.max(0, Math.min(sendBuffer / 2, sendBuffer - data.length)))
      return false
    }
    queue.push(new OutgoingMessage(queue.stream(stream), this.#life.now, ppid, plainBytes(data), delivery))
    this.#counters.messagesSent++
    return true
  }

  /** Whether messages are taken: also before it is connected, and no longer once either end has begun to end it. */
  get isOpen(): boolean {
    const { state } = this
    if (state === 'established' || state === 'cookieWait' || state === 'cookieEchoed') return true
    return state === 'closed' && !this.#life.ended
  }

  /** Whether a stream takes messages: the association does, there is a stream of this number, and it is not being reset. */
  isStreamOpen(stream: number): boolean {
    return this.isOpen && this.#isStream(stream) && this.#life.queue.find(stream)?.closing !== true
  }

  /** Bytes queued on a stream and not yet sent for the first time; 0 for a stream that there is none of. */
  bufferedAmount(stream: number): number {
    return this.#life.queue.find(stream)?.buffered ?? 0
  }

  /**
   * Bytes at or below which `bufferedAmountLow` is reported for a stream. Default 0. Throws a `UsageError`: `invalid-stream`,
   * `invalid-option`.
   */
  setBufferedAmountLowThreshold(stream: number, bytes: number): void {
    this.#requireStream(stream)
    checkNotNegative('bufferedAmountLowThreshold', bytes)
    this.#life.queue.stream(stream).lowThreshold = bytes
  }

  /**
   * A stream's share where several have something to send, in proportion to those of others: 1 to 65535, as the priorities of
   * RFC 8831 section 6.4. Default 256. Lasts until the stream is reset. Throws a `UsageError`: `invalid-stream`, `invalid-option`.
   */
  setPriority(stream: number, priority: number): void {
    this.#requireStream(stream)
    if (!(priority >= 1 && priority <= 65_535)) {
      throw new UsageError('invalid-option', `a priority is from 1 to 65535, not ${priority}`)
    }
    this.#life.queue.stream(stream).weight = priority
  }

  /**
   * Resets an outgoing stream (RFC 6525) once all that is queued on it has been sent; until `outgoingReset` nothing may
   * be sent on it. Throws a `UsageError`: `invalid-state`, `invalid-stream`, `not-supported` where the peer does not.
   */
  resetStream(now: Instant, stream: number): void {
    this.#life.setNow(now)
    this.#requireOpen('resetStream')
    if (this.#life.transfer === undefined || !this.canResetStreams) {
      throw new UsageError('not-supported', 'the peer does not know RE-CONFIG, or is not connected')
    }
    this.#requireStream(stream)
    const outgoing = this.#life.queue.stream(stream)
    if (outgoing.closing) return
    outgoing.closing = true
    this.#life.transfer.resets.want(stream)
  }

  /** Ends the association once all that is queued is acknowledged. Throws a `UsageError` (`invalid-state`) unless it is connected. */
  shutdown(now: Instant): void {
    this.#life.setNow(now)
    if (this.#life.state !== 'established') {
      throw new UsageError(
        'invalid-state',
        `shutdown() is for an association that is connected, not ${this.#life.state}`,
      )
    }
    this.#life.state = 'shutdownPending'
  }

  /** Ends the association at once. What is not acknowledged may be lost. Without effect where there is none. */
  abort(now: Instant, reason = ''): void {
    this.#life.setNow(now)
    if (this.#life.state === 'closed') return
    this.#life.abort(
      CauseCode.userInitiatedAbort,
      encodeUtf8(reason).slice(0, this.#outbox.maxEchoed - TLV_HEADER),
      'aborted',
    )
  }

  #isStream(stream: number): boolean {
    return Number.isInteger(stream) && stream >= 0 && stream < this.outboundStreams
  }

  #requireStream(stream: number): void {
    if (this.#isStream(stream)) return
    throw new UsageError('invalid-stream', `a stream is from 0 to ${this.outboundStreams - 1}, not ${stream}`)
  }

  #requireOpen(method: string): void {
    if (this.isOpen) return
    throw new UsageError('invalid-state', `${method}() is for an association that is open, not ${this.state}`)
  }

  /** Throws a `UsageError` where `now` is no number, or `Infinity` (`invalid-time`), and where it is neither the time nor bytes (`invalid-input`). */
  handleInput(input: TimeoutInput | ReceiveInput): void {
    checkInput(input)
    this.#life.setNow(input.now)
    if (input.kind === 'receive') this.#receive(plainBytes(input.contents))
    this.#onTimers()
  }

  pollOutput(): SctpOutput {
    const datagram = this.#outbox.poll() ?? this.#makePacket()
    if (datagram !== undefined) {
      this.#counters.packetsSent++
      return { kind: 'transmit', contents: datagram }
    }
    for (
      let low = this.#life.queue.lowStreams.shift();
      low !== undefined;
      low = this.#life.queue.lowStreams.shift()
    ) {
      this.#events.push({ type: 'bufferedAmountLow', stream: low })
    }
    const event = this.#events.shift()
    if (event !== undefined) return { kind: 'event', event }
    return { kind: 'timeout', at: this.#nextAt() }
  }

  #nextAt(): Instant {
    const transfer = this.#life.transfer
    const handshake = Math.min(this.#life.nextAt, this.#life.heartbeat.nextAt)
    if (transfer === undefined || !isUp(this.#life.state)) return handshake
    return Math.min(handshake, transfer.sender.nextAt, transfer.receiver.sackAt, transfer.resets.nextAt)
  }

  // Sending

  /** One packet with all that may go in it now. */
  #makePacket(): Uint8Array | undefined {
    const transfer = this.#life.transfer
    if (transfer === undefined || !isUp(this.#life.state)) return undefined
    const now = this.#life.now
    const { sender, receiver, resets } = transfer
    this.#life.followShutdown(transfer)
    const hasData = maySendData(this.#life.state) && sender.canSend(now)
    const sackIsDue = receiver.sackIsDue(now)
    if (!hasData && !sackIsDue && !this.#outbox.hasControl && !resets.isDue) return undefined
    const { maxPacketSize } = this.#settings
    // a SACK by itself takes no more memory than it needs
    const isSackAlone = !hasData && !this.#outbox.hasControl && !resets.isDue
    const capacity = isSackAlone ? Math.min(maxPacketSize, COMMON_HEADER + receiver.sackSize) : maxPacketSize
    const writer = this.#outbox.writer(capacity, transfer.peerTag)
    this.#outbox.writeControl(writer)
    if (sackIsDue || (hasData && receiver.sackIsPending)) receiver.writeSack(writer)
    if (resets.isDue && writer.room >= maxPacketSize - COMMON_HEADER - RESET_RESERVE) {
      const chunk = resets.poll(now)
      if (chunk !== undefined) writer.append(chunk)
    }
    if (hasData) sender.fill(writer, now)
    if (writer.isEmpty) return undefined
    this.#life.heartbeat.postpone(now)
    return writer.finish(!(this.#settings.zeroChecksum && transfer.peerExtensions.zeroChecksum))
  }

  // Timers

  #onTimers(): void {
    const now = this.#life.now
    this.#life.onTimer()
    const transfer = this.#life.transfer
    if (transfer === undefined || !isUp(this.#life.state)) return
    if (this.#life.heartbeat.nextAt <= now) this.#onHeartbeatTimer()
    if (isUp(this.#life.state) && transfer.sender.onTimer(now)) this.#life.countError()
    if (isUp(this.#life.state) && transfer.resets.onTimer(now)) this.#life.countError()
  }

  #onHeartbeatTimer(): void {
    const { heartbeat, now, transfer } = this.#life
    if (heartbeat.isUnanswered) {
      heartbeat.giveUp(now)
      transfer?.roundTrip.backOff()
      this.#life.countError()
    } else if (this.#life.state === 'established' && transfer !== undefined) {
      const info = makeParameter(ParameterType.heartbeatInfo, heartbeat.start(now, transfer.roundTrip.rto))
      this.#outbox.sendControl(ChunkType.heartbeat, info)
    } else {
      heartbeat.postpone(now)
    }
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
    const { state } = this.#life
    if (type === ChunkType.init) {
      if (tag !== 0 || !chunks.next()) return this.#drop('wrong-tag')
      return this.#life.onInit(chunks)
    }
    if (type === ChunkType.cookieEcho) {
      if (!chunks.next() || !this.#life.onCookieEcho(chunks.value(), tag)) return
    } else if (state === 'closed' || (isForming(state) && type === ChunkType.shutdownAck)) {
      // RFC 9260 section 8.5.1, rule E: a SHUTDOWN ACK is then of an association that was before
      return this.#onOutOfTheBlue(admitted)
    } else if (!this.#tagIsRight(type, flags, tag)) {
      return this.#drop('wrong-tag')
    }
    this.#dispatch(chunks)
  }

  /** RFC 9260 sections 8.5 and 8.5.1. */
  #tagIsRight(type: number, flags: number, tag: number): boolean {
    if ((type === ChunkType.abort || type === ChunkType.shutdownComplete) && (flags & FLAG_T) !== 0) {
      return this.#life.transfer !== undefined && tag === this.#life.peerTag
    }
    return tag === this.#life.localTag
  }

  /** RFC 9260 section 8.4. */
  #onOutOfTheBlue({ type, chunks, verificationTag }: AdmittedPacket): void {
    this.#drop('unexpected')
    // it may be established by our INIT chunk, of which this end does not know yet
    if (this.#life.hasOffered && !this.#life.ended) return
    while (chunks.next()) if (SILENT_TYPES.has(chunks.type)) return
    const answer = type === ChunkType.shutdownAck ? ChunkType.shutdownComplete : ChunkType.abort
    this.#outbox.sendAlone(verificationTag, answer, FLAG_T)
  }

  #dispatch(chunks: TlvIterator): void {
    let hadData = false
    while (this.#life.state !== 'closed' && chunks.next()) {
      if (chunks.type === ChunkType.data || chunks.type === ChunkType.iData) {
        if (isUp(this.#life.state)) hadData = this.#onData(chunks) || hadData
        else this.#drop('unexpected')
      } else if (!this.#onChunk(chunks)) {
        break
      }
    }
    const transfer = this.#life.transfer
    if (!hadData || transfer === undefined || this.#life.state === 'closed') return
    transfer.receiver.endPacket(this.#life.now)
    this.#life.onDataPacket()
  }

  /** False where nothing more of the packet is to be read. */
  #onChunk(chunk: TlvIterator): boolean {
    const transfer = isUp(this.#life.state) ? this.#life.transfer : undefined
    switch (chunk.type) {
      case ChunkType.sack:
        if (transfer === undefined) this.#drop('unexpected')
        else if (transfer.sender.onSack(this.#life.now, chunk)) this.#life.clearErrors()
        else this.#drop('bad-sack')
        return true
      case ChunkType.forwardTsn:
      case ChunkType.iForwardTsn:
        transfer?.receiver.onForwardTsn(chunk)
        transfer?.resets.onProgress()
        return true
      case ChunkType.reConfig:
        transfer?.resets.onChunk(chunk)
        return true
      case ChunkType.heartbeat:
        if (transfer !== undefined && chunk.length <= this.#outbox.maxEchoed) {
          this.#outbox.sendControl(ChunkType.heartbeatAck, chunk.value().slice())
        }
        return true
      case ChunkType.heartbeatAck:
        this.#onHeartbeatAck(chunk)
        return true
      case ChunkType.initAck:
        this.#life.onInitAck(chunk)
        return false
      case ChunkType.cookieAck:
        this.#life.onCookieAck()
        return true
      case ChunkType.abort:
        this.#life.onAbort()
        return false
      case ChunkType.shutdown:
        this.#life.onShutdown(chunk)
        return true
      case ChunkType.shutdownAck:
        this.#life.onShutdownAck()
        return true
      case ChunkType.shutdownComplete:
        this.#life.onShutdownComplete()
        return false
      case ChunkType.error:
        this.#life.onError(chunk)
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
    if (report && isUp(this.#life.state)) {
      const unknown = chunk.whole().slice(0, this.#outbox.maxEchoed - TLV_HEADER)
      this.#outbox.sendControl(
        ChunkType.error,
        joinPadded([makeParameter(CauseCode.unrecognizedChunk, unknown)]),
      )
    }
    return !stop
  }

  /** True where the chunk counts for acknowledgements. */
  #onData(chunk: TlvIterator): boolean {
    const { receiver, resets } = this.#life.transfer!
    switch (receiver.onData(chunk)) {
      case 'no-user-data': {
        const tsn = chunk.value().slice(0, 4)
        this.#life.abort(CauseCode.noUserData, tsn, 'protocol-violation')
        return false
      }
      case 'violation':
        this.#life.abort(CauseCode.protocolViolation, EMPTY, 'protocol-violation')
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
    const roundTrip = this.#life.heartbeat.answer(this.#life.now, chunk.value())
    if (roundTrip === undefined) return this.#drop('unexpected')
    this.#life.transfer?.roundTrip.sample(roundTrip)
    this.#life.clearErrors()
  }
}
