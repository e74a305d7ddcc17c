import type { CryptoProvider } from '@str0m/crypto'
import { type Mid, toBase64, toHex, UsageError } from '@str0m/sans-io'
import {
  answerSections,
  type Capabilities,
  type CodecCapability,
  dataSection,
  type Direction,
  directionOf,
  intersectDirections,
  type MediaSection,
  offerEncodings,
  OfferNumbering,
  offerSection,
  pairExtensions,
  parseSdp,
  rejectedSection,
  type SectionAnswer,
  reverseDirection,
  RTP_PROTOCOL,
  type SessionDescription,
  sessionDescription,
  type Setup,
  writeSdp,
} from '@str0m/sdp'
import { FeedbackCapabilities, type FeedbackChoice, type RtpCapabilities } from './capabilities.ts'
import {
  type AnswerChoices,
  choose,
  NO_CHOICES,
  type OfferedMedia,
  type OfferSummary,
} from './incoming-offer.ts'
import type { Changes } from './changes.ts'
import type { Answer, Offer } from './description.ts'
import { type LocalStream, Media, type MediaOwner, type NegotiatedMedia } from './media.ts'
import { answeredTypes, formatsOf } from './formats.ts'
import { fillRejected, fillSession, fillTransport, type LocalTransport } from './local-description.ts'
import { LocalStreams } from './local-streams.ts'
import { OwnDirection } from './own-direction.ts'
import { DEFAULT_SCTP_PORT, type RemoteData, remoteData } from './remote-data.ts'
import { type AnsweredSections, takeAnsweredSections } from './answered-sections.ts'
import { invalid, readRemoteTransport } from './remote-transport.ts'
import type { RemoteTransport } from './transport.ts'

/** One `m=` line of the session, in the order of the descriptions. */
interface Section {
  readonly kind: string
  readonly protocol: string
  readonly mid: string
  /** Absent where it never was accepted, or carries data channels. */
  media?: Media
  /** Whether it carries the data channels. */
  data: boolean
  /** Ours of the last description; what is offered again. */
  local: MediaSection
  /** What we send. They stay the same in all later descriptions. */
  streams: readonly LocalStream[]
  /** Made anew when the section is stopped. */
  direction: OwnDirection
  /** Of the MediaStream that it is to send, as the caller has said. */
  streamId?: string | undefined
}

/** What the media of a section is to become. */
export interface MediaUpdate {
  readonly media: Media
  readonly added: boolean
  readonly direction: Direction
}

/** What a negotiation has come to. Nothing has changed before it is committed. */
export interface Negotiated {
  /** `undefined` where every section was rejected. */
  readonly transport: RemoteTransport | undefined
  /** The peer's candidates of the section that all share. */
  readonly candidates: readonly string[]
  readonly endOfCandidates: boolean
  /** The peer has new ICE credentials. */
  readonly iceRestart: boolean
  readonly reducedSize: boolean
  /** `undefined` where the description has no section for data channels, or it is rejected. */
  readonly data: RemoteData | undefined
}

export interface NegotiatedOffer extends Negotiated {
  /** What there is to be known of it before it is answered. */
  summarize(): OfferSummary
  commit(local: LocalTransport): { updates: MediaUpdate[]; answer: Answer }
}

export interface NegotiatedAnswer extends Negotiated {
  commit(): MediaUpdate[]
}

export interface SessionOptions {
  readonly crypto: CryptoProvider
  /** RFC 7022 section 4.2: of one session, and of no use outside it. */
  readonly cname: string
  readonly codecs: readonly CodecCapability[]
  readonly maxMessageSize: number
  readonly dtlsSetup: 'active' | 'passive'
  /** Whether DTLS has begun. */
  readonly hasAssociation: () => boolean
  readonly feedback: FeedbackChoice
}

/** An offer of the peer's that was read, and how its sections are answered. */
interface ReadOffer {
  readonly offer: SessionDescription
  readonly mids: readonly Mid[]
  readonly answers: readonly SectionAnswer[]
  readonly choices: AnswerChoices
  /** The offered section whose transport all share (RFC 9143 section 7.3.1), and what it says of that; `undefined`: all are rejected. */
  readonly tagged: MediaSection | undefined
  readonly transport: RemoteTransport | undefined
  /** Whether the answer has a group of those that share it. */
  readonly bundled: boolean
}

/** A section of an offer that waits for its answer. */
export interface OfferedSection {
  readonly section: MediaSection
  readonly streams: readonly LocalStream[]
  /** The direction that the caller has said for it with this offer. */
  readonly chosen: Direction | undefined
  readonly streamId: string | undefined
}

/** An answer to an offer of ours that was read. */
interface ReadAnswer {
  readonly answer: SessionDescription
  readonly offered: readonly OfferedSection[]
  readonly taken: AnsweredSections
  readonly transport: RemoteTransport | undefined
  /** Whether there is an association for data channels. */
  readonly hasData: boolean
}

/** The descriptions of both sides, and what they have agreed on: offer and answer of RFC 3264, as RFC 8829 has it. */
export class Session {
  readonly #id: string
  readonly #streams: LocalStreams
  readonly #feedback: FeedbackCapabilities
  readonly #maxMessageSize: number
  readonly #dtlsSetup: 'active' | 'passive'
  readonly #hasAssociation: () => boolean
  readonly #mediaOwner: MediaOwner
  readonly #sections: Section[] = []
  #version = 0
  #directData = false
  #dataEnded = false
  #remote: RemoteTransport | undefined

  constructor(mediaOwner: MediaOwner, options: SessionOptions) {
    const { crypto, cname, codecs, maxMessageSize, feedback } = options
    this.#streams = new LocalStreams(crypto, cname)
    this.#feedback = new FeedbackCapabilities(codecs, feedback)
    this.#maxMessageSize = maxMessageSize
    this.#dtlsSetup = options.dtlsSetup
    this.#hasAssociation = options.hasAssociation
    this.#mediaOwner = mediaOwner
    // RFC 8829 section 5.2.1: 64 bits whose highest is zero
    const id = crypto.randomBytes(8)
    id[0] = id[0]! & 0x7f
    this.#id = BigInt(`0x${toHex(id)}`).toString()
  }

  /** The sections with media, in order. */
  get medias(): Media[] {
    return this.#sections.map(({ media }) => media).filter((media) => media !== undefined)
  }

  media(mid: Mid): Media | undefined {
    return this.#sections.find((section) => section.mid === mid)?.media
  }

  /** Data channels were agreed on without a description. */
  setDirectData(): void {
    this.#directData = true
  }

  /** Whether data channels were agreed on. */
  get hasData(): boolean {
    return this.#directData || this.#sections.some(({ data }) => data)
  }

  /** Whether there were data channels and their section was stopped: there is one association in a session. */
  get dataEnded(): boolean {
    return this.#dataEnded
  }

  /** Reads an offer and works out its answer. Throws a `UsageError` (`invalid-offer`, `invalid-sdp`). */
  negotiateOffer(sdp: string, choices: AnswerChoices = NO_CHOICES): NegotiatedOffer {
    const offer = parseSdp(sdp)
    const mids = this.#midsOf(offer)
    this.#checkSections(offer, mids)
    const capabilities = this.#capabilities(this.#feedback.answering(offer))
    const { sections, shared, bundled } = answerSections(
      offer,
      capabilities,
      (index) => {
        const known = this.#sections[index]
        return known !== undefined && stands(known)
      },
      (index) => choices.rejected.has(mids[index]!),
    )
    const answers = sections.map((answer, index) =>
      choose(offer.media[index]!, mids[index]!, answer, choices, this.#directionAt(index, mids[index]!)),
    )
    // RFC 9143 section 7.3.1
    const accepted = shared.filter((section) => answers[offer.media.indexOf(section)]!.accepted)
    const tagged = accepted.find(({ port }) => port !== 0) ?? accepted[0]
    const [offererTagged] = shared
    if (tagged !== undefined && offererTagged !== tagged) this.#checkTagged(offer, offererTagged!, choices)
    const transport = tagged && this.#remoteTransport(offer, tagged, 'offer')
    const iceRestart = this.#isIceRestart(transport)
    return {
      transport,
      candidates: tagged?.candidates ?? [],
      endOfCandidates: tagged?.endOfCandidates ?? false,
      iceRestart,
      reducedSize: answers.some(({ accepted, section }) => accepted && section.rtcpReducedSize),
      data: remoteData(offer.media.find((section, index) => isData(section) && answers[index]!.accepted)),
      summarize: () => ({
        medias: offer.media.flatMap((offered, index) =>
          this.#offered(index, mids[index]!, offered, answers[index]!),
        ),
        hasDataChannels: offer.media.some(isData),
        iceRestart,
      }),
      commit: (local) => this.#answer({ offer, mids, answers, choices, tagged, bundled, transport }, local),
    }
  }

  /** Takes an offer that was read, and writes the answer to it. */
  #answer(
    { offer, mids, answers, choices, tagged, bundled, transport }: ReadOffer,
    local: LocalTransport,
  ): { updates: MediaUpdate[]; answer: Answer } {
    this.#remote = transport ?? this.#remote
    const description = this.#describe()
    const setup: Setup = transport?.dtlsRole === 'server' ? 'passive' : 'active'
    const updates: MediaUpdate[] = []
    answers.forEach(({ accepted, section }, index) => {
      const offered = offer.media[index]!
      const known = this.#sectionAt(index, mids[index]!, offered, section)
      if (accepted) {
        fillTransport(section, local, setup, offered === tagged)
        known.streamId = choices.streamIds.get(known.mid) ?? known.streamId
        known.streams = this.#streams.fill(section, known.streams, known.local, known.streamId)
        if (isData(section)) this.#acceptData(known, offered, section, local)
        else updates.push(this.#acceptMedia(known, index, offered, section, choices))
      } else {
        fillRejected(section, local, setup, offered.rtcpMux)
        this.#stop(known, updates)
      }
      known.local = section
      description.media.push(section)
    })
    fillSession(description, local, bundled ? tagged?.mid : undefined)
    return { updates, answer: { type: 'answer', sdp: writeSdp(description) } }
  }

  #acceptData(known: Section, offered: MediaSection, section: MediaSection, local: LocalTransport): void {
    // in an answer, to one who sends its own; in later ones it stays as it was
    const { sctpInit, sctpPort = DEFAULT_SCTP_PORT } = offered
    const snaps = sctpInit !== undefined && sctpPort === DEFAULT_SCTP_PORT
    const init = snaps ? local.initChunk() : undefined
    if (init !== undefined) section.sctpInit = toBase64(init)
    else if (known.local.sctpInit !== undefined) section.sctpInit = known.local.sctpInit
    known.data = true
  }

  #acceptMedia(
    known: Section,
    index: number,
    offered: MediaSection,
    section: MediaSection,
    { directions }: AnswerChoices,
  ): MediaUpdate {
    const { direction = 'sendrecv', extensions } = section
    const chosen = directions.get(known.mid)
    if (chosen !== undefined) known.direction.choose(chosen)
    const paired = answeredTypes(section.payloads, offered.payloads)
    return this.#update(known, index, { direction, local: section, remote: offered, paired, extensions })
  }

  /**
   * Writes an offer of the sections that stand, with the changes. Nothing changes before its answer is taken. A new section takes the
   * place of a stopped one where there is one (RFC 8829 section 5.2.2).
   */
  offer(changes: Changes, local: LocalTransport): { offer: Offer; sections: OfferedSection[] } {
    const added = this.#addedSections(changes, local)
    const streamIds = new Map(changes.added.map(({ mid, streamId }) => [mid, streamId]))
    const sections = this.#sections.map((known) => offeredAgain(known, changes))
    const free = this.#sections.flatMap((known, index) => (stands(known) ? [] : [index]))
    for (const section of added) sections[free.shift() ?? sections.length] = section
    const tagged = sections.findIndex(({ port }) => port !== 0)
    const offered = sections.map((section, index): OfferedSection => {
      if (section.port === 0) {
        fillRejected(section, local, 'actpass', section.protocol.includes('RTP'))
        return { section, streams: [], chosen: undefined, streamId: undefined }
      }
      fillTransport(section, local, 'actpass', index === tagged)
      const known = added.includes(section) ? undefined : this.#sections[index]
      const streamId = known ? known.streamId : streamIds.get(section.mid!)
      const streams = this.#streams.fill(section, known?.streams ?? [], known?.local, streamId)
      const chosen = known ? changes.directions.get(known.mid) : section.direction
      return { section, streams, chosen, streamId }
    })
    const description = this.#describe()
    description.media.push(...sections)
    fillSession(description, local, sections[tagged]?.mid)
    return { offer: { type: 'offer', sdp: writeSdp(description) }, sections: offered }
  }

  #addedSections(changes: Changes, local: LocalTransport): MediaSection[] {
    const asks =
      changes.added.some(({ receiveEncodings }) => receiveEncodings.length > 0) ||
      this.#sections.some(({ local: { simulcast } }) => simulcast !== undefined && simulcast.recv.length > 0)
    const capabilities = this.#capabilities(this.#feedback.offering(asks))
    const numbering = new OfferNumbering()
    // one that was refused keeps no number from those that are used
    for (const { local: section } of this.#sections) {
      if (section.port !== 0) numbering.adopt(section, capabilities.codecs)
    }
    const added = changes.added.map(({ mid, kind, direction, encodings, receiveEncodings }) => {
      const section = offerSection(kind, mid, direction, capabilities, numbering)
      if (encodings.length + receiveEncodings.length > 0) offerEncodings(section, encodings, receiveEncodings)
      return section
    })
    if (changes.data && !this.hasData) {
      const mid = this.freeMid(new Set(changes.added.map((media) => media.mid)))
      const section = dataSection(mid, this.#maxMessageSize)
      const init = local.initChunk()
      if (init !== undefined) section.sctpInit = toBase64(init)
      added.push(section)
    }
    return added
  }

  /** Reads the answer to an offer of ours, whose sections are given. Throws a `UsageError` (`invalid-answer`, `invalid-sdp`). */
  negotiateAnswer(sdp: string, offered: readonly OfferedSection[]): NegotiatedAnswer {
    const answer = parseSdp(sdp)
    const taken = takeAnsweredSections(
      answer,
      offered.map(({ section }) => section),
    )
    const { used } = taken
    const [tagged] = used
    const transport = tagged && this.#remoteTransport(answer, tagged, 'answer')
    // RFC 8841 section 10.3: by port 0 of SCTP the association is refused, though the section stands
    const data = remoteData(used.find((section) => isData(section) && section.sctpPort !== 0))
    return {
      transport,
      candidates: tagged?.candidates ?? [],
      endOfCandidates: tagged?.endOfCandidates ?? false,
      iceRestart: this.#isIceRestart(transport),
      reducedSize: used.some(({ rtcpReducedSize }) => rtcpReducedSize),
      data,
      commit: () => this.#takeAnswer({ answer, offered, taken, transport, hasData: data !== undefined }),
    }
  }

  /** Takes an answer that was read. */
  #takeAnswer({ answer, offered, taken, transport, hasData }: ReadAnswer): MediaUpdate[] {
    this.#remote = transport ?? this.#remote
    const updates: MediaUpdate[] = []
    taken.media.forEach((remote, index) => {
      const { section: local, streams, chosen, streamId } = offered[index]!
      const known = this.#sectionAt(index, local.mid!, local, local)
      known.local = local
      known.streams = streams
      known.streamId = streamId
      if (!taken.used.includes(remote)) {
        this.#stop(known, updates)
      } else if (isData(remote)) {
        this.#dataEnded ||= known.data && !hasData
        known.data = hasData
      } else {
        const direction = intersectDirections(
          local.direction ?? 'sendrecv',
          reverseDirection(directionOf(answer, remote)),
        )
        if (chosen !== undefined) known.direction.choose(chosen)
        // RFC 3264 section 6.1: what the answer lists is what is used
        const paired = taken.payloads[index]!
        const extensions = pairExtensions(local.extensions, remote.extensions)
        updates.push(this.#update(known, index, { direction, local, remote, paired, extensions }))
      }
    })
    return updates
  }

  /** Whether there is a codec to be offered. */
  hasCodec(kind: 'audio' | 'video'): boolean {
    return this.#feedback.offering(false).codecs.some((codec) => codec.kind === kind)
  }

  /** A mid that no section has. */
  freeMid(taken: ReadonlySet<string>): Mid {
    for (let i = this.#sections.length; ; i++) {
      const mid = String(i)
      if (!taken.has(mid) && !this.hasMid(mid)) return mid
    }
  }

  /** Whether a section has this mid, stopped or not. */
  hasMid(mid: Mid): boolean {
    return this.#sections.some((section) => section.mid === mid)
  }

  #offered(index: number, mid: Mid, offered: MediaSection, answer: SectionAnswer): OfferedMedia[] {
    const { kind } = offered
    if (kind !== 'audio' && kind !== 'video') return []
    const known = this.#sections[index]
    return [
      {
        mid,
        kind,
        isNew: known === undefined || known.mid !== mid || !stands(known),
        direction: answer.section.direction ?? 'sendrecv',
        codecs: answer.accepted
          ? formatsOf[kind](answeredTypes(answer.section.payloads, offered.payloads), offered.payloads).codecs
          : [],
        rids: answer.section.simulcast?.recv.flatMap((streams) => streams.map(({ rid }) => rid)) ?? [],
      },
    ]
  }

  /** Adds a section that was agreed on without a description. Throws a `UsageError` (`wrong-state`). */
  addDirect(mid: Mid, kind: 'audio' | 'video', negotiated: NegotiatedMedia): Media {
    if (this.#sections.some((section) => section.mid === mid && stands(section))) {
      throw new UsageError('wrong-state', `There is a section "${mid}" already`)
    }
    // the place of a stopped section serves again, that of the same mid above all
    const free = this.#sections.findIndex((section) => section.mid === mid)
    const ended = free >= 0 ? free : this.#sections.findIndex((section) => !stands(section))
    const index = ended >= 0 ? ended : this.#sections.length
    const media = new Media(mid, kind, index, this.#mediaOwner)
    const { local, streams } = negotiated
    const direction = new OwnDirection()
    this.#sections[index] = {
      kind,
      protocol: local.protocol,
      mid,
      data: false,
      local,
      streams,
      direction,
      media,
    }
    media.negotiated(negotiated)
    return media
  }

  #describe(): SessionDescription {
    this.#version++
    return sessionDescription(this.#id, String(this.#version))
  }

  #sectionAt(index: number, mid: Mid, described: MediaSection, local: MediaSection): Section {
    const known = this.#sections[index]
    const { kind, protocol } = described
    if (known !== undefined && known.mid === mid && known.kind === kind) return known
    // new, or the place of a stopped section used again (RFC 8829 section 5.2.2)
    const direction = new OwnDirection()
    const section: Section = { kind, protocol, mid, data: false, local, streams: [], direction }
    this.#sections[index] = section
    return section
  }

  #update(known: Section, index: number, negotiated: Omit<NegotiatedMedia, 'streams'>): MediaUpdate {
    const added = known.media === undefined || known.media.stopped
    if (known.media === undefined) {
      known.media = new Media(known.mid, known.kind === 'audio' ? 'audio' : 'video', index, this.#mediaOwner)
    }
    known.media.negotiated({ ...negotiated, streams: known.streams })
    known.direction.agreed(negotiated.direction)
    return { media: known.media, added, direction: negotiated.direction }
  }

  /** Of a section that stands. */
  #directionAt(index: number, mid: Mid): OwnDirection | undefined {
    const known = this.#sections[index]
    return known?.mid === mid && stands(known) ? known.direction : undefined
  }

  /** A section that has no mid is known by its place, and is given one (RFC 8829 section 5.10). */
  #midsOf({ media }: SessionDescription): Mid[] {
    const taken = new Set(media.flatMap(({ mid }) => (mid === undefined ? [] : [mid])))
    return media.map((section, index) => {
      const mid = section.mid ?? this.#sections[index]?.mid ?? this.freeMid(taken)
      taken.add(mid)
      return mid
    })
  }

  /** Every offer lists the sections that were there before, in the same order (RFC 3264 section 8). */
  #checkSections({ media }: SessionDescription, mids: readonly Mid[]): void {
    if (media.length === 0) throw invalid('offer', 'it has no media section')
    if (media.length < this.#sections.length) {
      throw invalid('offer', `it has ${media.length} media sections, before it were ${this.#sections.length}`)
    }
    this.#sections.forEach((section, index) => {
      if (!stands(section)) return
      if (mids[index] !== section.mid || media[index]!.kind !== section.kind) {
        throw invalid(
          'offer',
          `its media section ${index} is not "${section.mid}" (${section.kind}), as it was before`,
        )
      }
    })
  }

  #stop(section: Section, updates: MediaUpdate[]): void {
    this.#dataEnded ||= section.data
    section.data = false
    section.direction = new OwnDirection()
    const { media } = section
    if (media === undefined || media.stopped) return
    media.stop()
    updates.push({ media, added: false, direction: 'inactive' })
  }

  /** No spread: see the copies of `@str0m/sdp`'s known sections. */
  #capabilities({ codecs, extensions }: RtpCapabilities): Capabilities {
    if (this.#dataEnded) return { codecs, extensions }
    return { codecs, extensions, maxMessageSize: this.#maxMessageSize }
  }

  /** RFC 9143 section 7.3.3: who offers again has taken the transport of this section for that of the others, which do not do without it. */
  #checkTagged({ media }: SessionDescription, section: MediaSection, { rejected }: AnswerChoices): void {
    const known = this.#sections[media.indexOf(section)]
    if (known === undefined || !stands(known) || section.port === 0) return
    if (!rejected.has(known.mid)) {
      throw invalid(
        'offer',
        `its section "${known.mid}" cannot be taken any more, and the others share its transport`,
      )
    }
    throw new UsageError(
      'tagged-section',
      `Others share the transport of section "${known.mid}": answer it as inactive, or reject all`,
    )
  }

  #remoteTransport(
    description: SessionDescription,
    section: MediaSection,
    what: 'offer' | 'answer',
  ): RemoteTransport {
    return readRemoteTransport(description, section, what, {
      before: this.#remote,
      hasAssociation: this.#hasAssociation(),
      dtlsSetup: this.#dtlsSetup,
    })
  }

  #isIceRestart(transport: RemoteTransport | undefined): boolean {
    const before = this.#remote
    if (before === undefined || transport === undefined) return false
    return before.iceUfrag !== transport.iceUfrag || before.icePwd !== transport.icePwd
  }
}

/** A section as an offer lists it once more. */
function offeredAgain(known: Section, { stopped, directions }: Changes): MediaSection {
  const { mid } = known
  // where the peer's offer had none, it has one from now on
  const section = { ...known.local, mid }
  if (!stands(known) || stopped.has(mid)) return rejectedSection(section)
  if (known.data) return section
  // RFC 8829 section 5.1.2: whatever the peer's offer called it
  section.protocol = RTP_PROTOCOL
  return { ...section, direction: directions.get(mid) ?? known.direction.offered }
}

/** Whether a section is in use: it was accepted, and not stopped since. */
function stands({ media, data }: Section): boolean {
  return data || (media !== undefined && !media.stopped)
}

function isData({ kind }: MediaSection): boolean {
  return kind === 'application'
}
