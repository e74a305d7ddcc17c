import type { CryptoProvider } from '@str0m/crypto'
import { EXTENSION_URIS } from '@str0m/rtp'
import { type Mid, type Ssrc, toHex, UsageError } from '@str0m/sans-io'
import {
  answerSection,
  bundledSections,
  type Capabilities,
  type CodecCapability,
  dataSection,
  type Direction,
  directionOf,
  intersectDirections,
  type MediaSection,
  OfferNumbering,
  offerSection,
  parseSdp,
  rejectedSection,
  retransmittedPt,
  reverseDirection,
  sends,
  type SessionDescription,
  sessionDescription,
  type Setup,
  transportOf,
  writeSdp,
} from '@str0m/sdp'
import type { Candidate } from '@str0m/stun-ice'
import { Media, type MediaOwner } from './media.ts'
import type { RemoteTransport } from './transport.ts'

/** What a browser's `RTCSessionDescription` is as JSON. */
export interface Offer {
  readonly type: 'offer'
  readonly sdp: string
}
export interface Answer {
  readonly type: 'answer'
  readonly sdp: string
}

/** Our end of the transport, as descriptions tell it. */
export interface LocalTransport {
  readonly credentials: { readonly ufrag: string; readonly pwd: string }
  readonly candidates: readonly Candidate[]
  readonly iceLite: boolean
  /** The sha-256 fingerprint of our certificate. */
  readonly fingerprint: string
}

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
}

/** What the media of a section is to become. */
export interface MediaUpdate {
  readonly media: Media
  readonly added: boolean
  readonly direction: Direction
}

/** What the peer says of its end of the data channels, RFC 8841. */
export interface RemoteData {
  readonly sctpPort: number
  /** Bytes of the largest message that it takes; `Infinity`: any. */
  readonly maxMessageSize: number
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
  commit(local: LocalTransport): { updates: MediaUpdate[]; answer: Answer }
}

const DEFAULT_SCTP_PORT = 5000
/** RFC 8841 section 6.1. */
const DEFAULT_MAX_MESSAGE_SIZE = 65_536

const EXTENSIONS: Capabilities['extensions'] = {
  audio: [EXTENSION_URIS.mid, EXTENSION_URIS.transportSequenceNumber, EXTENSION_URIS.audioLevel],
  video: [
    EXTENSION_URIS.mid,
    EXTENSION_URIS.transportSequenceNumber,
    EXTENSION_URIS.rid,
    EXTENSION_URIS.repairedRid,
    EXTENSION_URIS.videoOrientation,
    EXTENSION_URIS.playoutDelay,
    EXTENSION_URIS.videoContentType,
    EXTENSION_URIS.videoTiming,
    EXTENSION_URIS.colorSpace,
  ],
}

/** The descriptions of both sides, and what they have agreed on: offer and answer of RFC 3264, as RFC 8829 has it. */
export class Session {
  readonly cname: string
  readonly #id: string
  readonly #crypto: CryptoProvider
  readonly #capabilities: Capabilities
  readonly #maxMessageSize: number
  readonly #dtlsSetup: 'active' | 'passive'
  readonly #mediaOwner: MediaOwner
  readonly #sections: Section[] = []
  #version = 0
  #remote: RemoteTransport | undefined

  constructor(
    crypto: CryptoProvider,
    codecs: readonly CodecCapability[],
    maxMessageSize: number,
    dtlsSetup: 'active' | 'passive',
    mediaOwner: MediaOwner,
  ) {
    this.#crypto = crypto
    this.#capabilities = { codecs, extensions: EXTENSIONS, maxMessageSize }
    this.#maxMessageSize = maxMessageSize
    this.#dtlsSetup = dtlsSetup
    this.#mediaOwner = mediaOwner
    // RFC 8829 section 5.2.1: 64 bits whose highest is zero
    const id = crypto.randomBytes(8)
    id[0] = id[0]! & 0x7f
    this.#id = BigInt(`0x${toHex(id)}`).toString()
    this.cname = toHex(crypto.randomBytes(12))
  }

  /** The sections with media, in order. */
  get medias(): Media[] {
    return this.#sections.map(({ media }) => media).filter((media) => media !== undefined)
  }

  media(mid: Mid): Media | undefined {
    return this.#sections.find((section) => section.mid === mid)?.media
  }

  /** Whether data channels have a section. */
  get hasData(): boolean {
    return this.#sections.some(({ data }) => data)
  }

  /** Reads an offer and works out its answer. Throws a `UsageError` (`invalid-offer`, `invalid-sdp`). */
  negotiateOffer(sdp: string): Negotiated {
    const offer = parseSdp(sdp)
    this.#checkSections(offer, 'offer')
    const bundled = bundledSections(offer)
    const answers = offer.media.map((section) => answerSection(offer, section, bundled, this.#capabilities))
    if (!offer.media.some(({ simulcast }) => simulcast !== undefined)) {
      for (const { section } of answers) dropTransportFeedback(section)
    }
    const first = answers.findIndex(({ accepted }) => accepted)
    const transport = first < 0 ? undefined : this.#remoteTransport(offer, offer.media[first]!, 'offer')
    const iceRestart = this.#isIceRestart(transport)
    return {
      transport,
      candidates: offer.media[first]?.candidates ?? [],
      endOfCandidates: offer.media[first]?.endOfCandidates ?? false,
      iceRestart,
      reducedSize: answers.some(({ accepted, section }) => accepted && section.rtcpReducedSize),
      data: remoteData(offer.media.find((section, index) => isData(section) && answers[index]!.accepted)),
      commit: (local) => {
        this.#remote = transport ?? this.#remote
        const description = this.#describe()
        const setup: Setup = transport?.dtlsRole === 'server' ? 'passive' : 'active'
        const updates: MediaUpdate[] = []
        answers.forEach(({ accepted, section }, index) => {
          const offered = offer.media[index]!
          const known = this.#sectionAt(index, offered, section)
          if (accepted) {
            fillTransport(section, local, setup, index === first)
            this.#fillStreams(section, known)
            if (isData(section)) known.data = true
            else updates.push(this.#update(known, index, section.direction ?? 'sendrecv', section, offered))
          } else {
            stopSection(known, updates)
          }
          known.local = section
          description.media.push(section)
        })
        fillSession(
          description,
          local,
          offer.groups.some(({ semantics }) => semantics === 'BUNDLE'),
        )
        return { updates, answer: { type: 'answer', sdp: writeSdp(description) } }
      },
    }
  }

  /**
   * Writes an offer of the sections that stand, with the changes. Nothing changes before its answer is taken. A new section takes the
   * place of a stopped one where there is one (RFC 8829 section 5.2.2).
   */
  offer(changes: Changes, local: LocalTransport): { offer: Offer; sections: MediaSection[] } {
    const numbering = new OfferNumbering()
    for (const section of this.#sections) numbering.adopt(section.local, this.#capabilities.codecs)
    const free: number[] = []
    const sections = this.#sections.map((known, index) => {
      const { local: section, mid } = known
      if (!stands(known)) free.push(index)
      if (!stands(known) || changes.stopped.has(mid)) return rejectedSection(section)
      if (known.data) return { ...section }
      return { ...section, direction: changes.directions.get(mid) ?? section.direction ?? 'sendrecv' }
    })
    const isNew = new Set<MediaSection>()
    for (const { mid, kind, direction } of changes.added) {
      const section = offerSection(kind, mid, direction, this.#capabilities, numbering)
      dropTransportFeedback(section)
      isNew.add(section)
      sections[free.shift() ?? sections.length] = section
    }
    if (changes.data && !this.hasData) {
      const section = dataSection(
        this.freeMid(new Set(changes.added.map(({ mid }) => mid))),
        this.#maxMessageSize,
      )
      isNew.add(section)
      sections[free.shift() ?? sections.length] = section
    }
    const tagged = sections.findIndex(({ port }) => port !== 0)
    sections.forEach((section, index) => {
      if (section.port === 0) return
      fillTransport(section, local, 'actpass', index === tagged)
      this.#fillStreams(section, isNew.has(section) ? undefined : this.#sections[index])
    })
    const description = this.#describe()
    description.media.push(...sections)
    fillSession(description, local, true)
    return { offer: { type: 'offer', sdp: writeSdp(description) }, sections }
  }

  /** Reads the answer to an offer of ours, whose `sections` are given. Throws a `UsageError` (`invalid-answer`, `invalid-sdp`). */
  negotiateAnswer(sdp: string, sections: readonly MediaSection[]): Negotiated {
    const answer = parseSdp(sdp)
    if (answer.media.length !== sections.length) {
      throw invalid('answer', `it has ${answer.media.length} media sections, the offer ${sections.length}`)
    }
    answer.media.forEach((section, index) => {
      const offered = sections[index]!
      if (section.kind !== offered.kind || (section.mid !== undefined && section.mid !== offered.mid)) {
        throw invalid('answer', `its media section ${index} is not the one that was offered`)
      }
    })
    const first = answer.media.findIndex(({ port }) => port !== 0)
    const transport = first < 0 ? undefined : this.#remoteTransport(answer, answer.media[first]!, 'answer')
    return {
      transport,
      candidates: answer.media[first]?.candidates ?? [],
      endOfCandidates: answer.media[first]?.endOfCandidates ?? false,
      iceRestart: this.#isIceRestart(transport),
      reducedSize: answer.media.some(({ port, rtcpReducedSize }) => port !== 0 && rtcpReducedSize),
      data: remoteData(answer.media.find((section) => isData(section) && section.port !== 0)),
      commit: () => {
        this.#remote = transport ?? this.#remote
        const updates: MediaUpdate[] = []
        answer.media.forEach((section, index) => {
          const offered = sections[index]!
          const known = this.#sectionAt(index, offered, offered)
          known.local = offered
          if (section.port === 0) {
            stopSection(known, updates)
            return
          }
          if (isData(section)) {
            known.data = true
            return
          }
          const direction = intersectDirections(
            offered.direction ?? 'sendrecv',
            reverseDirection(directionOf(answer, section)),
          )
          // RFC 3264 section 6.1: what the answer lists is what is used
          const agreed = new Set(section.payloads.map(({ pt }) => pt))
          const local = { ...offered, payloads: offered.payloads.filter(({ pt }) => agreed.has(pt)) }
          updates.push(this.#update(known, index, direction, local, section))
        })
        return { updates, answer: { type: 'answer', sdp } }
      },
    }
  }

  /** A mid that no section has. */
  freeMid(taken: ReadonlySet<string>): Mid {
    for (let i = this.#sections.length; ; i++) {
      const mid = String(i)
      if (!taken.has(mid) && !this.#sections.some((section) => section.mid === mid)) return mid
    }
  }

  #describe(): SessionDescription {
    this.#version++
    return sessionDescription(this.#id, String(this.#version))
  }

  #sectionAt(index: number, described: MediaSection, local: MediaSection): Section {
    const known = this.#sections[index]
    if (known !== undefined && known.mid === described.mid) return known
    // new, or the place of a stopped section used again (RFC 8829 section 5.2.2)
    const { kind, protocol } = described
    const section: Section = { kind, protocol, mid: described.mid ?? String(index), data: false, local }
    this.#sections[index] = section
    return section
  }

  #update(
    known: Section,
    index: number,
    direction: Direction,
    local: MediaSection,
    remote: MediaSection,
  ): MediaUpdate {
    const added = known.media === undefined || known.media.stopped
    if (known.media === undefined) {
      known.media = new Media(known.mid, known.kind === 'audio' ? 'audio' : 'video', index, this.#mediaOwner)
    }
    known.media.negotiated(direction, local, remote)
    return { media: known.media, added, direction }
  }

  /** Every description lists the sections that were there before, in the same order (RFC 3264 section 8). */
  #checkSections(description: SessionDescription, what: 'offer' | 'answer'): void {
    if (description.media.length === 0) throw invalid(what, 'it has no media section')
    if (description.media.length < this.#sections.length) {
      throw invalid(
        what,
        `it has ${description.media.length} media sections, before it were ${this.#sections.length}`,
      )
    }
    this.#sections.forEach((section, index) => {
      if (!stands(section)) return
      const described = description.media[index]!
      if ((described.mid ?? String(index)) !== section.mid || described.kind !== section.kind) {
        throw invalid(
          what,
          `its media section ${index} is not "${section.mid}" (${section.kind}), as it was before`,
        )
      }
    })
  }

  #remoteTransport(
    description: SessionDescription,
    section: MediaSection,
    what: 'offer' | 'answer',
  ): RemoteTransport {
    const { iceUfrag, icePwd, fingerprints, setup } = transportOf(description, section)
    if (iceUfrag === undefined || icePwd === undefined) {
      throw invalid(what, 'it has no ICE credentials (a=ice-ufrag, a=ice-pwd)')
    }
    if (fingerprints.length === 0) throw invalid(what, 'it has no certificate fingerprint (a=fingerprint)')
    return {
      iceUfrag,
      icePwd,
      fingerprints,
      iceLite: description.iceLite,
      dtlsRole: this.#remote?.dtlsRole ?? this.#dtlsRole(setup, what),
    }
  }

  /** RFC 8842 section 5.3. */
  #dtlsRole(setup: Setup | undefined, what: 'offer' | 'answer'): 'client' | 'server' {
    switch (setup) {
      case 'active':
        return 'server'
      case 'passive':
        return 'client'
      case 'actpass':
        if (what === 'answer') throw invalid(what, 'it leaves the DTLS role open (a=setup:actpass)')
        return this.#dtlsSetup === 'active' ? 'client' : 'server'
      case 'holdconn':
        throw invalid(what, 'it holds the connection (a=setup:holdconn)')
      case undefined:
        // RFC 4145 section 4.1: without the attribute, the offerer is active and the answerer passive
        return what === 'offer' ? 'server' : 'client'
    }
  }

  #isIceRestart(transport: RemoteTransport | undefined): boolean {
    const before = this.#remote
    if (before === undefined || transport === undefined) return false
    return before.iceUfrag !== transport.iceUfrag || before.icePwd !== transport.icePwd
  }

  /** The stream that a section sends. It stays the same in all later descriptions. */
  #fillStreams(section: MediaSection, known: Section | undefined): void {
    if (known !== undefined && known.local.msids.length > 0) {
      section.msids = known.local.msids
      section.ssrcs = known.local.ssrcs
      section.ssrcGroups = known.local.ssrcGroups
      return
    }
    if (isData(section) || !sends(section.direction ?? 'sendrecv')) return
    const ssrc = randomSsrc(this.#crypto)
    const msid = { stream: this.cname, track: toHex(this.#crypto.randomBytes(16)) }
    const attributes = [
      { name: 'cname', value: this.cname },
      { name: 'msid', value: `${msid.stream} ${msid.track}` },
    ]
    section.msids = [msid]
    section.ssrcs = [{ ssrc, attributes }]
    if (section.payloads.every((format) => retransmittedPt(format) === undefined)) return
    const rtx = randomSsrc(this.#crypto)
    section.ssrcs.push({ ssrc: rtx, attributes })
    section.ssrcGroups = [{ semantics: 'FID', ssrcs: [ssrc, rtx] }]
  }
}

/** What an offer is to change. */
export interface Changes {
  readonly added: readonly AddedMedia[]
  readonly directions: ReadonlyMap<Mid, Direction>
  readonly stopped: ReadonlySet<Mid>
  /** Whether data channels are to have a section. */
  readonly data: boolean
  /** New credentials for ICE, RFC 8829 section 5.2.2. */
  readonly iceRestart: boolean
}

/**
 * Takes transport-wide feedback out of a section. It is agreed on where a peer offers simulcast, whose encodings are switched on as the estimate
 * allows. Without several encodings it does harm as long as what we send back is all that there is to estimate by: Firefox then sends a
 * quarter of its picture for ten seconds, and the whole of it at once where it has no estimate to climb from.
 */
function dropTransportFeedback(section: MediaSection): void {
  section.extensions = section.extensions.filter(({ uri }) => uri !== EXTENSION_URIS.transportSequenceNumber)
  section.payloads = section.payloads.map((format) => ({
    ...format,
    feedback: format.feedback.filter((type) => type !== 'transport-cc'),
  }))
}

/** A section that an offer is to add. */
export interface AddedMedia {
  readonly mid: Mid
  readonly kind: 'audio' | 'video'
  readonly direction: Direction
}

export function randomSsrc(crypto: CryptoProvider): Ssrc {
  for (;;) {
    const [a, b, c, d] = crypto.randomBytes(4)
    const ssrc = ((a! << 24) | (b! << 16) | (c! << 8) | d!) >>> 0
    if (ssrc !== 0) return ssrc
  }
}

/** Whether a section is in use: it was accepted, and not stopped since. */
function stands({ media, data }: Section): boolean {
  return data || (media !== undefined && !media.stopped)
}

function stopSection(section: Section, updates: MediaUpdate[]): void {
  section.data = false
  const { media } = section
  if (media === undefined || media.stopped) return
  media.stop()
  updates.push({ media, added: false, direction: 'inactive' })
}

function isData({ kind }: MediaSection): boolean {
  return kind === 'application'
}

/** What a section says of its sender's end, with the defaults of RFC 8841 sections 5.2 and 6.1. */
function remoteData(section: MediaSection | undefined): RemoteData | undefined {
  if (section === undefined) return undefined
  const { sctpPort = DEFAULT_SCTP_PORT, maxMessageSize = DEFAULT_MAX_MESSAGE_SIZE } = section
  return { sctpPort, maxMessageSize: maxMessageSize === 0 ? Number.POSITIVE_INFINITY : maxMessageSize }
}

function invalid(what: 'offer' | 'answer', reason: string): UsageError {
  return new UsageError(`invalid-${what}`, `The ${what} cannot be taken: ${reason}`)
}

/** The candidates stand in the first section alone, which all share (RFC 9143 section 7.2.1). */
function fillTransport(section: MediaSection, local: LocalTransport, setup: Setup, tagged: boolean): void {
  const preferred =
    local.candidates.find(({ address }) => !address.address.includes(':')) ?? local.candidates[0]
  section.iceUfrag = local.credentials.ufrag
  section.icePwd = local.credentials.pwd
  section.iceOptions = ['trickle']
  section.fingerprints = [{ algorithm: 'sha-256', value: local.fingerprint }]
  section.setup = setup
  section.port = preferred?.address.port ?? 9
  section.connection = preferred?.address.address ?? '0.0.0.0'
  section.candidates = tagged ? local.candidates.map(String) : []
}

function fillSession(description: SessionDescription, local: LocalTransport, bundle: boolean): void {
  const accepted = description.media.filter(({ port }) => port !== 0)
  description.iceLite = local.iceLite
  description.extmapAllowMixed = accepted.some(({ extmapAllowMixed }) => extmapAllowMixed)
  const mids = accepted.map(({ mid }) => mid).filter((mid) => mid !== undefined)
  if (bundle && mids.length > 0) description.groups.push({ semantics: 'BUNDLE', mids })
}
