import { SDES_MID, SDES_REPAIRED_RID, SDES_RID, type SourceDescription } from '@str0m/rtp'
import type { Mid, Rid, Ssrc } from '@str0m/sans-io'

/** Sources of which no packet has come: each media stream has one, and one of its retransmissions. */
export const MAX_DESCRIBED_SOURCES = 256

/** RFC 8852 section 3: of letters and digits. */
const RID = /^[0-9A-Za-z]+$/

/** What a peer's RTCP says of a source: the section that it is of (RFC 9143 section 15.1), and the encoding that it is, or repairs (RFC 8852 sections 3.1 and 3.2). */
export interface DescribedSource {
  readonly mid: Mid | undefined
  readonly rid: Rid | undefined
  readonly repairedRid: Rid | undefined
}

type Item = SourceDescription['chunks'][number]['items'][number]

/** `undefined` where it is none of these. */
export function describedSource(items: readonly Item[]): DescribedSource | undefined {
  const text = (type: number): string | undefined => items.find((item) => item.type === type)?.text
  const rid = (type: number): Rid | undefined =>
    items.find((item) => item.type === type && RID.test(item.text))?.text
  const source = { mid: text(SDES_MID), rid: rid(SDES_RID), repairedRid: rid(SDES_REPAIRED_RID) }
  return source.mid === undefined && source.rid === undefined && source.repairedRid === undefined
    ? undefined
    : source
}

/** What is known of sources before their first packet, for streams whose packets do not say it themselves. At the bound the oldest is forgotten. */
export class DescribedSources {
  readonly #bySsrc = new Map<Ssrc, DescribedSource>()

  get size(): number {
    return this.#bySsrc.size
  }

  of(ssrc: Ssrc): DescribedSource | undefined {
    return this.#bySsrc.get(ssrc)
  }

  set(ssrc: Ssrc, source: DescribedSource): void {
    this.#bySsrc.delete(ssrc)
    if (this.#bySsrc.size === MAX_DESCRIBED_SOURCES) this.#bySsrc.delete(this.#bySsrc.keys().next().value!)
    this.#bySsrc.set(ssrc, source)
  }

  forget(ssrc: Ssrc): void {
    this.#bySsrc.delete(ssrc)
  }
}
