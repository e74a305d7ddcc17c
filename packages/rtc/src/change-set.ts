import { type Mid, UsageError } from '@str0m/sans-io'
import type { ChannelOptions } from '@str0m/sctp'
import type { Direction, Encoding } from '@str0m/sdp'
import type { IceCredentials } from '@str0m/stun-ice'
import type { ChannelId } from './channel.ts'
import type { AddedMedia, Changes } from './changes.ts'
import type { PlannedChannel } from './channels.ts'
import type { Answer, Offer } from './description.ts'
import { checkDirection, checkEncodings, checkKind, checkStreamId } from './media-options.ts'
import type { OfferedSection } from './session.ts'

/** What a `ChangeSet` does when it is applied. */
export interface ChangeTarget {
  freeMid(taken: ReadonlySet<string>): Mid
  /** Throws a `UsageError` (`unknown-mid`) unless a section that was not stopped has this mid. */
  checkMid(mid: Mid): void
  /** Throws a `UsageError` (`invalid-option`) where there is no codec for it. */
  checkCodecs(kind: 'audio' | 'video'): void
  /** Throws a `UsageError` (`invalid-option`, `id-in-use`). */
  planChannel(label: string, options: ChannelOptions): PlannedChannel
  applyChanges(changes: Changes, channels: readonly PlannedChannel[]): Offer
}

export interface AddMediaOptions {
  /**
   * Several encodings of the same source, with rids of 1 to 16 characters, in the order of preference (simulcast, RFC 8853): each is sent by `media.writer(pt, rid)`. Default: one
   * stream.
   */
  readonly encodings?: readonly Encoding[]
  /**
   * Several encodings that the peer is asked to send of its source, in the order of preference (RFC 8853): what comes says by its rid which it is. The peer may leave some out, or
   * pause them: see `media.receiveEncodings`. Default: one stream.
   */
  readonly receiveEncodings?: readonly Encoding[]
  /**
   * The id of the MediaStream that what is sent belongs to (RFC 8830), 1 to 64 characters: the peer has it in `RTCTrackEvent.streams`, and browsers play one audio and one video of
   * a stream in step. Who forwards several sources gives each its own. `-`: of none. Default: one for all of the session.
   */
  readonly streamId?: string
}

/** Changes to be offered to the peer together. Nothing happens before `apply`; after it, every method throws a `UsageError` (`already-applied`). */
export class ChangeSet {
  readonly #target: ChangeTarget
  readonly #added: AddedMedia[] = []
  readonly #directions = new Map<Mid, Direction>()
  readonly #stopped = new Set<Mid>()
  readonly #channels: PlannedChannel[] = []
  #iceRestart = false
  #applied = false

  constructor(target: ChangeTarget) {
    this.#target = target
  }

  /**
   * Adds a media section. Answers its mid. Throws a `UsageError` (`invalid-option`), also where the option `codecs` has none of this kind, and where encodings have no rid,
   * or the same, also one that is sent and one that is received; or `streamId` is none.
   */
  addMedia(kind: 'audio' | 'video', direction: Direction = 'sendrecv', options: AddMediaOptions = {}): Mid {
    this.#checkNotApplied()
    checkKind(kind)
    this.#target.checkCodecs(kind)
    checkDirection(direction)
    const mid = this.#target.freeMid(new Set(this.#added.map((media) => media.mid)))
    const { encodings = [], receiveEncodings = [], streamId } = options
    // RFC 8851 section 6.1: of one section, both ways
    checkEncodings([...encodings, ...receiveEncodings])
    if (streamId !== undefined) checkStreamId(streamId)
    this.#added.push({ mid, kind, direction, encodings, receiveEncodings, streamId })
    return mid
  }

  /**
   * Opens a data channel once the offer is answered and the peer connected; `channelOpen` says so. Answers its id, which is `Rtc`'s own: the
   * stream that carries it is not known yet, and `rtc.channel` knows it from the answer on. Where there are data channels already, `rtc.addChannel` does without an offer.
   * Throws a `UsageError` (`invalid-option`, also for an `id` without `negotiated`; `id-in-use`; `no-data-channels` where their section was stopped).
   */
  addChannel(label: string, options: ChannelOptions = {}): ChannelId {
    this.#checkNotApplied()
    const channel = this.#target.planChannel(label, options)
    this.#channels.push(channel)
    return channel.id
  }

  /**
   * Changes which way media goes in a section. It holds until it is changed again, in offers and in answers, as the direction of an `RTCRtpTransceiver` does: who holds, goes on to, whatever the peer
   * offers; and a peer that holds is offered this again. Throws a `UsageError` (`unknown-mid`, `invalid-option`).
   */
  setDirection(mid: Mid, direction: Direction): this {
    this.#checkNotApplied()
    this.#target.checkMid(mid)
    checkDirection(direction)
    this.#directions.set(mid, direction)
    return this
  }

  /**
   * Ends a section for good. Its place may serve a new one. Not for the first one of a session with a browser: both Chromium and Firefox then give up the transport that all
   * share, and the connection ends; turn it inactive. Throws a `UsageError` (`unknown-mid`).
   */
  stopMedia(mid: Mid): this {
    this.#checkNotApplied()
    this.#target.checkMid(mid)
    this.#stopped.add(mid)
    return this
  }

  /** Finds the path to the peer anew, with new credentials (RFC 8445 section 9). Media goes on meanwhile. */
  iceRestart(): this {
    this.#checkNotApplied()
    this.#iceRestart = true
    return this
  }

  /**
   * Makes the offer. Its answer goes to `rtc.pendingChanges()`. Throws a `UsageError`: `no-changes` where the offer would have no media
   * section, `already-applied`, `closed`, `wrong-state` where another offer waits for its answer, the session was set up by `direct` since, or an offer of the peer's that was taken since has
   * added a section by the same mid.
   */
  apply(): Offer {
    this.#checkNotApplied()
    const changes = {
      added: this.#added,
      directions: this.#directions,
      stopped: this.#stopped,
      data: this.#channels.length > 0,
      iceRestart: this.#iceRestart,
    }
    const offer = this.#target.applyChanges(changes, this.#channels)
    this.#applied = true
    return offer
  }

  #checkNotApplied(): void {
    if (this.#applied) throw new UsageError('already-applied', 'A change set is applied once: make another')
  }
}

/** An offer that waits for its answer. */
export interface PendingOffer {
  readonly sections: readonly OfferedSection[]
  readonly offer: Offer
  /** Those that ICE restarts with once the answer is here. */
  readonly credentials: IceCredentials | undefined
  /** Those that are opened once it is answered. */
  readonly channels: readonly PlannedChannel[]
}

/** What `PendingChanges` hands back. */
export interface PendingTarget {
  acceptAnswer(pending: PendingOffer, answer: Answer): void
  rollback(pending: PendingOffer): void
}

/** The changes that were offered and not yet answered. */
export class PendingChanges {
  readonly #target: PendingTarget
  readonly #pending: PendingOffer

  constructor(target: PendingTarget, pending: PendingOffer) {
    this.#target = target
    this.#pending = pending
  }

  /** The offer, for sending it again. */
  get offer(): Offer {
    return this.#pending.offer
  }

  /** Takes the peer's answer. Throws a `UsageError`: `invalid-sdp`, `invalid-answer`, `closed`, or `wrong-state` where it was answered or taken back before. */
  acceptAnswer(answer: Answer): void {
    this.#target.acceptAnswer(this.#pending, answer)
  }

  /** Takes the offer back (RFC 8829 section 4.1.10.2). Throws a `UsageError`: `closed`, or `wrong-state` where it was answered or taken back before. */
  rollback(): void {
    this.#target.rollback(this.#pending)
  }
}
