import type { CryptoProvider } from '@str0m/crypto'
import { toHex } from '@str0m/sans-io'
import { type MediaSection, retransmittedPt, sends } from '@str0m/sdp'
import type { LocalStream } from './media.ts'
import { randomSsrc } from './random-ids.ts'

/** Our streams as descriptions name them: each section's stay the same in all of a session. */
export class LocalStreams {
  readonly #crypto: CryptoProvider
  readonly #cname: string

  /** `cname`: RFC 7022 section 4.2. */
  constructor(crypto: CryptoProvider, cname: string) {
    this.#crypto = crypto
    this.#cname = cname
  }

  /**
   * Writes the streams that a section sends into it. `before`: those that it had, and its description then. `streamId`: of the MediaStream of one that had none. Answers those that
   * it has now.
   */
  fill(
    section: MediaSection,
    before: readonly LocalStream[],
    described: MediaSection | undefined,
    streamId: string = this.#cname,
  ): readonly LocalStream[] {
    if (section.kind === 'application') return before
    if (before.length === 0 && !sends(section.direction ?? 'sendrecv')) return before
    const [msid] = described?.msids ?? []
    section.msids = [msid ?? { stream: streamId, track: toHex(this.#crypto.randomBytes(16)) }]
    const retransmits = section.payloads.some((format) => retransmittedPt(format) !== undefined)
    const rids = section.simulcast?.send.flatMap(([first]) => (first === undefined ? [] : [first.rid])) ?? []
    const wanted = rids.length === 0 ? [undefined] : rids
    const streams = wanted.map(
      (rid): LocalStream =>
        before.find((stream) => stream.rid === rid) ?? {
          ...(rid === undefined ? {} : { rid }),
          ssrc: randomSsrc(this.#crypto),
          ...(retransmits ? { rtxSsrc: randomSsrc(this.#crypto) } : {}),
        },
    )
    this.#describe(section, streams)
    return streams
  }

  /** Encodings are told by their rid: where there are some, no source is named (RFC 8853 section 5.5). */
  #describe(section: MediaSection, streams: readonly LocalStream[]): void {
    section.ssrcs = []
    section.ssrcGroups = []
    const [msid] = section.msids
    const [only] = streams
    if (only === undefined || only.rid !== undefined || msid === undefined) return
    const attributes = [
      { name: 'cname', value: this.#cname },
      { name: 'msid', value: `${msid.stream} ${msid.track}` },
    ]
    section.ssrcs.push({ ssrc: only.ssrc, attributes })
    if (only.rtxSsrc === undefined) return
    section.ssrcs.push({ ssrc: only.rtxSsrc, attributes })
    section.ssrcGroups.push({ semantics: 'FID', ssrcs: [only.ssrc, only.rtxSsrc] })
  }
}
