import { checkFingerprints } from '@str0m/dtls'
import { type Mid, type Pt, type Ssrc, UsageError } from '@str0m/sans-io'
import {
  type Direction,
  type ExtensionMap,
  type Fingerprint,
  isPayloadType,
  type MediaSection,
  mediaSection,
  type PayloadFormat,
  RTP_PROTOCOL,
} from '@str0m/sdp'
import type { IceCredentials } from '@str0m/stun-ice'
import { sameTypes } from './formats.ts'
import type { LocalStream, Media, NegotiatedMedia } from './media.ts'
import { checkDirection, checkEncodings, checkKind } from './media-options.ts'
import { DEFAULT_SCTP_PORT, type RemoteData } from './remote-data.ts'
import type { RemoteTransport } from './transport.ts'

/** What is to be known of the peer to connect to it. */
export interface DirectConnection {
  readonly iceUfrag: string
  readonly icePwd: string
  /** Of the peer's certificate; one that fits is enough. */
  readonly fingerprints: readonly Fingerprint[]
  /** Our part in the DTLS handshake; the peer has the other. */
  readonly dtlsRole: 'client' | 'server'
  /** Whether we choose the path; the peer has the other role. Default: as the DTLS client. */
  readonly iceControlling?: boolean
  /** Whether the peer is lite, RFC 8445 section 2.5. Default false. */
  readonly iceLite?: boolean
}

/** A codec that both sides know by the same payload types. */
export interface DirectCodec {
  /** 0 to 63, or 96 to 127: RFC 5761 section 4. */
  readonly pt: Pt
  /** The encoding name, such as `VP8`. Frames are made of those that `DEFAULT_CODECS` has; of others, packets alone with `rtpMode`. */
  readonly name: string
  /** Hertz. */
  readonly clockRate: number
  readonly channels?: number
  /** As `a=fmtp` has it. */
  readonly parameters?: string
  /** Such as `nack`, `nack pli`, `ccm fir`. Default: none. */
  readonly feedback?: readonly string[]
  /** The payload type of its retransmissions, RFC 4588. */
  readonly rtxPt?: Pt
}

/** A stream of the peer's: without its SSRC, it is told by the mid in its packets. */
export interface DirectSource {
  readonly ssrc: Ssrc
  readonly rtxSsrc?: Ssrc
}

export interface DirectMedia {
  readonly mid: Mid
  readonly kind: 'audio' | 'video'
  /** Seen from here. */
  readonly direction: Direction
  readonly codecs: readonly DirectCodec[]
  /** The header extensions, by the ids that all sections share, 1 to 255 (RFC 8285). Default: none. */
  readonly extensions?: readonly Pick<ExtensionMap, 'id' | 'uri'>[]
  /** What we send; several have each a rid, of 1 to 16 letters, digits, `-` and `_`. Default: one, with a random SSRC, where the direction allows it. */
  readonly streams?: readonly LocalStream[]
  /** The peer's streams. Default: none is known. */
  readonly sources?: readonly DirectSource[]
}

/** What the peer would have said of its end of the data channels, RFC 8841. */
export interface DirectData {
  /** 1 to 65535. Default 5000. */
  readonly sctpPort?: number
  /** Bytes of the largest message that it takes; `Infinity`: any. Default 256 KiB, which is that of an `Rtc`. */
  readonly maxMessageSize?: number
}

/** What the direct API is of. */
export interface DirectTarget {
  readonly localIceCredentials: IceCredentials
  readonly localFingerprint: Fingerprint
  medias(): readonly Media[]
  connect(remote: RemoteTransport, controlling: boolean): void
  addMedia(mid: Mid, kind: 'audio' | 'video', negotiated: NegotiatedMedia): Media
  stopMedia(mid: Mid): void
  openData(remote: RemoteData): void
  randomSsrc(): Ssrc
}

/**
 * A session without descriptions: both sides know by other means what they would have said. A peer is negotiated by this, or by offers and answers,
 * not by both. Made by `Rtc.direct`.
 */
export class DirectApi {
  readonly #target: DirectTarget

  constructor(target: DirectTarget) {
    this.#target = target
  }

  /** What the peer needs for `connect`. */
  get localIceCredentials(): IceCredentials {
    return this.#target.localIceCredentials
  }

  /** What the peer needs for `connect`: sha-256. */
  get localFingerprint(): Fingerprint {
    return this.#target.localFingerprint
  }

  /**
   * Connects. Candidates go by `addLocalCandidate` and `addRemoteCandidate`. Throws a `UsageError`: `wrong-state` where it was done before,
   * `invalid-option` without a fingerprint or a role, `invalid-fingerprint`, `unsupported-fingerprint`, `invalid-credentials`, `closed`.
   */
  connect(connection: DirectConnection): void {
    const { iceUfrag, icePwd, fingerprints, dtlsRole, iceLite = false } = connection
    if (!Array.isArray(fingerprints) || fingerprints.length === 0) {
      throw new UsageError('invalid-option', 'Without a fingerprint the peer could be anyone: give one')
    }
    if (dtlsRole !== 'client' && dtlsRole !== 'server') {
      throw new UsageError('invalid-option', `dtlsRole is "client" or "server", not "${String(dtlsRole)}"`)
    }
    checkFingerprints(fingerprints)
    const controlling = connection.iceControlling ?? dtlsRole === 'client'
    this.#target.connect({ iceUfrag, icePwd, fingerprints, iceLite, dtlsRole }, controlling)
  }

  /** Adds a section of audio or video. Throws a `UsageError`: `invalid-option`, `wrong-state` where there is one with its mid, `closed`. */
  addMedia(media: DirectMedia): Media {
    const { mid, kind, direction } = media
    checkKind(kind)
    checkDirection(direction)
    checkSection(media)
    const local = sectionOf(media)
    const remote = sectionOf(media)
    for (const { ssrc, rtxSsrc } of media.sources ?? []) {
      remote.ssrcs.push({ ssrc, attributes: [] })
      if (rtxSsrc === undefined) continue
      remote.ssrcs.push({ ssrc: rtxSsrc, attributes: [] })
      remote.ssrcGroups.push({ semantics: 'FID', ssrcs: [ssrc, rtxSsrc] })
    }
    const streams = media.streams ?? [this.#newStream(media)]
    const encodings = streams.flatMap(({ rid }) => (rid === undefined ? [] : [[{ rid, paused: false }]]))
    if (encodings.length !== streams.length && streams.length > 1) {
      throw new UsageError('invalid-option', 'Several streams of one section each have a rid')
    }
    checkEncodings(encodings.map(([encoding]) => encoding!))
    this.#checkSsrcs(media)
    if (encodings.length > 0) {
      local.simulcast = { send: encodings, recv: [] }
      remote.simulcast = { send: [], recv: encodings }
    }
    return this.#target.addMedia(mid, kind, {
      direction,
      local,
      remote,
      paired: sameTypes(local.payloads),
      extensions: local.extensions,
      streams,
    })
  }

  /** Ends a section. Throws a `UsageError` (`unknown-mid`). */
  stopMedia(mid: Mid): void {
    this.#target.stopMedia(mid)
  }

  /**
   * Starts the data channels: then `rtc.addChannel` opens them. Throws a `UsageError`
   * (`invalid-option`, `wrong-state` before `connect`, `closed`).
   */
  openDataChannels(remote: DirectData = {}): void {
    const { sctpPort = DEFAULT_SCTP_PORT, maxMessageSize = 262_144 } = remote
    if (!(Number.isInteger(sctpPort) && sctpPort >= 1 && sctpPort <= 65_535 && maxMessageSize > 0)) {
      throw new UsageError(
        'invalid-option',
        `A port of SCTP is 1 to 65535, and a message has a byte at least: not ${sctpPort} and ${maxMessageSize}`,
      )
    }
    this.#target.openData({ sctpPort, maxMessageSize })
  }

  /** RFC 3550 section 8: each source of one side has an SSRC of its own in the whole session. */
  #checkSsrcs({ streams = [], sources = [] }: DirectMedia): void {
    const standing = this.#target.medias().filter(({ stopped }) => !stopped)
    const sent = standing.flatMap(({ localStreams }) => localStreams.flatMap(ssrcsOf))
    const received = standing.flatMap(({ remoteSsrcs }) => [...remoteSsrcs])
    for (const [known, added] of [
      [sent, streams],
      [received, sources],
    ] as const) {
      const all = [...known, ...added.flatMap(ssrcsOf)]
      if (new Set(all).size === all.length && all.every(isSsrc)) continue
      throw new UsageError(
        'invalid-option',
        'Each stream, and that of its retransmissions, has an SSRC of its own: a whole number of 32 bits',
      )
    }
  }

  #newStream({ codecs }: DirectMedia): LocalStream {
    const ssrc = this.#target.randomSsrc()
    return codecs.some(({ rtxPt }) => rtxPt !== undefined)
      ? { ssrc, rtxSsrc: this.#target.randomSsrc() }
      : { ssrc }
  }
}

/** A token (RFC 5888 section 4), as long as a header extension can say. */
const MID = /^[!#$%&'*+\-.^_`{|}~0-9A-Za-z]{1,255}$/

function checkSection({ mid, codecs, extensions = [] }: DirectMedia): void {
  const ids = new Set(extensions.map(({ id }) => id))
  const isValid =
    MID.test(mid) &&
    codecs.every(({ clockRate }) => clockRate > 0 && clockRate < Number.POSITIVE_INFINITY) &&
    // RFC 8285 section 4.3
    extensions.every(({ id }) => Number.isInteger(id) && id >= 1 && id <= 255) &&
    ids.size === extensions.length
  if (isValid) return
  throw new UsageError(
    'invalid-option',
    'The mid of a section is a token, clock rates are in hertz, and each extension has an id of its own, 1 to 255',
  )
}

function ssrcsOf({ ssrc, rtxSsrc }: DirectSource): Ssrc[] {
  return rtxSsrc === undefined ? [ssrc] : [ssrc, rtxSsrc]
}

function isSsrc(ssrc: Ssrc): boolean {
  return Number.isInteger(ssrc) && ssrc >= 0 && ssrc <= 0xffff_ffff
}

function sectionOf({ mid, kind, codecs, extensions = [] }: DirectMedia): MediaSection {
  const section = mediaSection(kind, RTP_PROTOCOL)
  section.mid = mid
  const payloads = codecs.flatMap(({ rtxPt, feedback = [], ...codec }): PayloadFormat[] => [
    { ...codec, feedback },
    ...(rtxPt === undefined ? [] : [retransmission(rtxPt, codec.pt, codec.clockRate)]),
  ])
  const pts = new Set(payloads.map(({ pt }) => pt))
  const isValid = payloads.every(({ pt }) => isPayloadType(pt))
  if (pts.size !== payloads.length || !isValid || codecs.length === 0) {
    throw new UsageError(
      'invalid-option',
      'A section has one codec or more, each with a payload type of its own: 0 to 63 or 96 to 127, since RTCP has the others',
    )
  }
  section.payloads = payloads
  section.extensions = extensions.map(({ id, uri }) => ({ id, uri }))
  return section
}

function retransmission(pt: Pt, original: Pt, clockRate: number): PayloadFormat {
  return { pt, name: 'rtx', clockRate, parameters: `apt=${original}`, feedback: [] }
}
