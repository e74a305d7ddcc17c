import { type RandomSource, readU32, type Ssrc } from '@str0m/sans-io'
import { sends } from '@str0m/sdp'
import type { Media } from './media.ts'
import type { Sender } from './senders.ts'

/** Bytes of the text of an item, RFC 3550 section 6.5. */
const MAX_TEXT_LENGTH = 255
/**
 * Sources that report in a session's whole life, beside those that send: SRTP keeps the numbers of each. Beyond it, the one of the transport reports on new sections too, and none gets
 * another number.
 */
export const MAX_REPORTING_SOURCES = 65_536

/**
 * Which of our sources reports on what: RFC 8108 section 5.4.1 has feedback on a medium come from the source that is of it. oRTP, which is Linphone's, and Asterisk find the section by it, and
 * GStreamer heeds no full intra request of a source that it has not heard of.
 */
export class ReportingSources {
  readonly #random: RandomSource
  #ofTransport: Ssrc
  readonly #byMedia = new Map<Media, Ssrc>()
  /** One that the peer has had something of. */
  #sent: Sender | undefined
  /** All that there were. */
  readonly #known = new Set<Ssrc>()

  /** `ofTransport` is the source of what is of no section. */
  constructor(ofTransport: Ssrc, random: RandomSource) {
    this.#ofTransport = ofTransport
    this.#known.add(ofTransport)
    this.#random = random
  }

  /** The source of what is of no section. */
  get ofTransport(): Ssrc {
    return this.#ofTransport
  }

  /** Those of sections. */
  get ofSections(): Iterable<Ssrc> {
    return this.#byMedia.values()
  }

  /** Something of this source was sent. */
  noteSent(sender: Sender): void {
    if (this.#sent === undefined || !sends(this.#sent.media.direction)) this.#sent = sender
  }

  /**
   * The source of a section: the first that is sent there, or else one that is for this alone. It stays the same until `setMedias` or `replace` says that it is gone. Where nothing is sent
   * and the peer knows no mids, it is one of another section: Asterisk, which knows none, drops what comes from a source that it has had nothing of.
   */
  of(media: Media): Ssrc {
    const sent = this.#sent
    const isUntold = media.localStreams.length === 0 && !isNamed(media)
    if (isUntold && sent !== undefined && sends(sent.media.direction)) return sent.stream.ssrc
    const before = this.#byMedia.get(media)
    if (before !== undefined) return before
    const ssrc = media.localStreams[0]?.ssrc ?? this.#newSsrc()
    if (this.#known.size >= MAX_REPORTING_SOURCES && !this.#known.has(ssrc)) return this.#ofTransport
    this.#known.add(ssrc)
    this.#byMedia.set(media, ssrc)
    return ssrc
  }

  /** Takes the sections as they now stand. Answers the sources that are gone: of sections that were stopped, or have one that is sent now. */
  setMedias(medias: readonly Media[]): Ssrc[] {
    const gone: Ssrc[] = []
    const sent = this.#sent
    // it has said goodbye
    if (sent?.media.localStreams.every(({ ssrc }) => ssrc !== sent.stream.ssrc) === true)
      this.#sent = undefined
    if (this.#byMedia.size === 0) return gone
    const standing = new Set(medias)
    for (const [media, ssrc] of this.#byMedia) {
      const { stopped, localStreams } = media
      const isKept = localStreams.length === 0 || localStreams.some((local) => local.ssrc === ssrc)
      if (isKept && !stopped && standing.has(media)) continue
      this.#byMedia.delete(media)
      gone.push(ssrc)
    }
    return gone
  }

  /**
   * The peer has a source with this number: where it is one of ours that sends nothing, that gets another number (RFC 3550 section 8.2). False where it does not. Ours that send have
   * theirs by the description.
   */
  replace(ssrc: Ssrc): boolean {
    if (!this.#known.has(ssrc) || this.#known.size >= MAX_REPORTING_SOURCES) return false
    if (ssrc === this.#ofTransport) {
      this.#ofTransport = this.#newSsrc()
      this.#known.add(this.#ofTransport)
      return true
    }
    for (const [media, ours] of this.#byMedia) {
      if (ours !== ssrc || media.localStreams.some((local) => local.ssrc === ssrc)) continue
      this.#byMedia.delete(media)
      return true
    }
    return false
  }

  #newSsrc(): Ssrc {
    const bytes = new Uint8Array(4)
    for (;;) {
      this.#random(bytes)
      const ssrc = readU32(bytes, 0)
      if (ssrc !== 0 && !this.#known.has(ssrc)) return ssrc
    }
  }
}

/** Whether the peer is told the mid of a section, and knows it then. */
export function isNamed({ sendExtensionIds, midBytes }: Media): boolean {
  return sendExtensionIds.id('mid') !== undefined && midBytes.length <= MAX_TEXT_LENGTH
}
