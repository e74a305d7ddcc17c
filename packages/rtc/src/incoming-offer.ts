import { type Mid, type Pt, UsageError } from '@str0m/sans-io'
import {
  type Direction,
  intersectDirections,
  type MediaSection,
  rejectedSection,
  retransmittedPt,
  type SectionAnswer,
} from '@str0m/sdp'
import type { Codec } from './codec.ts'
import type { Answer } from './description.ts'
import { checkDirection, checkStreamId } from './media-options.ts'
import type { OwnDirection } from './own-direction.ts'

/** A section of an offer with media, and how it is answered unless you choose otherwise. */
export interface OfferedMedia {
  readonly mid: Mid
  readonly kind: 'audio' | 'video'
  /** Whether there was no such section before. */
  readonly isNew: boolean
  /** As far as both sides allow, seen from here: the offer, and what `setDirection` or `addMedia` said here before. */
  readonly direction: Direction
  /** Those that both sides know, in the offerer's order; none: the section is rejected. */
  readonly codecs: readonly Codec[]
  /** What the offerer would send of it at once (simulcast). */
  readonly rids: readonly string[]
}

/** What an answer is to be, where it is not what both sides allow. */
export interface AnswerChoices {
  readonly rejected: ReadonlySet<Mid>
  /** Seen from here, whatever the offer allows of it. */
  readonly directions: ReadonlyMap<Mid, Direction>
  /** The payload types that are taken, of sections that do not take all. */
  readonly payloadTypes: ReadonlyMap<Mid, ReadonlySet<Pt>>
  /** Of sections that have not sent before. */
  readonly streamIds: ReadonlyMap<Mid, string>
}

export const NO_CHOICES: AnswerChoices = {
  rejected: new Set(),
  directions: new Map(),
  payloadTypes: new Map(),
  streamIds: new Map(),
}

/** What is read of an offer. */
export interface OfferSummary {
  readonly medias: readonly OfferedMedia[]
  readonly hasDataChannels: boolean
  readonly iceRestart: boolean
}

/** An offer of the peer's that was read. Nothing changes before `accept`; to refuse it as a whole, forget it. Made by `Rtc.readOffer`. */
export class IncomingOffer {
  readonly #summary: OfferSummary
  readonly #accept: (choices: AnswerChoices) => Answer
  readonly #rejected = new Set<Mid>()
  readonly #directions = new Map<Mid, Direction>()
  readonly #payloadTypes = new Map<Mid, ReadonlySet<Pt>>()
  readonly #streamIds = new Map<Mid, string>()

  constructor(summary: OfferSummary, accept: (choices: AnswerChoices) => Answer) {
    this.#summary = summary
    this.#accept = accept
  }

  /** Its sections of audio and video. */
  get medias(): readonly OfferedMedia[] {
    return this.#summary.medias
  }

  get hasDataChannels(): boolean {
    return this.#summary.hasDataChannels
  }

  /** Whether the peer finds a new path (RFC 8445 section 9). */
  get iceRestart(): boolean {
    return this.#summary.iceRestart
  }

  /**
   * Answers a section with no. Of a first offer without BUNDLE, the next section that can be taken is taken in its place. Where the others go on with its transport, which is that of the first one of a session that stands, `accept` throws: see there. Throws a
   * `UsageError` (`unknown-mid`).
   */
  reject(mid: Mid): this {
    this.#find(mid)
    this.#rejected.add(mid)
    return this
  }

  /**
   * Answers a section with this direction, seen from here, as far as the offer allows it, and later offers too, as `ChangeSet.setDirection` does. Throws a
   * `UsageError` (`unknown-mid`, `invalid-option`).
   */
  setDirection(mid: Mid, direction: Direction): this {
    checkDirection(direction)
    this.#find(mid)
    this.#directions.set(mid, direction)
    return this
  }

  /** Takes no other codecs of a section than these. Throws a `UsageError` (`unknown-mid`, `unknown-payload-type`). */
  setCodecs(mid: Mid, payloadTypes: readonly Pt[]): this {
    const { codecs } = this.#find(mid)
    const unknown = payloadTypes.find((pt) => !codecs.some((codec) => codec.pt === pt))
    if (unknown !== undefined || payloadTypes.length === 0) {
      throw new UsageError(
        'unknown-payload-type',
        `Choose one or more of the codecs of "${mid}": ${unknown ?? 'none'} is not among them`,
      )
    }
    this.#payloadTypes.set(mid, new Set(payloadTypes))
    return this
  }

  /**
   * Says which MediaStream belongs to what is sent in a section, as the option `streamId` of `ChangeSet.addMedia` does. Where the section was to send before, it stays as it was (RFC 8829 section 5.3.2).
   * Throws a `UsageError` (`unknown-mid`, `invalid-option`).
   */
  setStreamId(mid: Mid, streamId: string): this {
    checkStreamId(streamId)
    this.#find(mid)
    this.#streamIds.set(mid, streamId)
    return this
  }

  /**
   * Answers it. Throws what `Rtc.acceptOffer` throws, and nothing has changed; or a `UsageError` (`tagged-section`) where a section is rejected that the others share the transport
   * of, in an offer that is not the first (RFC 9143 section 7.3.3): browsers would lose the connection. It can be answered as inactive.
   */
  accept(): Answer {
    return this.#accept({
      rejected: this.#rejected,
      directions: this.#directions,
      payloadTypes: this.#payloadTypes,
      streamIds: this.#streamIds,
    })
  }

  #find(mid: Mid): OfferedMedia {
    const media = this.#summary.medias.find((offered) => offered.mid === mid)
    if (media === undefined) throw new UsageError('unknown-mid', `The offer has no media section "${mid}"`)
    return media
  }
}

/** An answer as it was chosen to be. `own`: the direction that the section has had here; `undefined`: it is new. */
export function choose(
  offered: MediaSection,
  mid: Mid,
  answer: SectionAnswer,
  choices: AnswerChoices,
  own: OwnDirection | undefined,
): SectionAnswer {
  if (!answer.accepted) return answer
  if (choices.rejected.has(mid)) {
    return { accepted: false, section: rejectedSection(offered), reason: 'rejected-by-offerer' }
  }
  const { section } = answer
  const allowed = section.direction ?? 'sendrecv'
  const chosen = choices.directions.get(mid)
  section.direction = chosen ? intersectDirections(chosen, allowed) : (own?.answered(allowed) ?? allowed)
  const taken = choices.payloadTypes.get(mid)
  if (taken !== undefined) {
    section.payloads = section.payloads.filter((format) => taken.has(retransmittedPt(format) ?? format.pt))
    section.formats = section.payloads.map(({ pt }) => String(pt))
  }
  return answer
}
