/** What one encoding of the publisher's video takes. */
export interface EncodingRate {
  readonly ssrc: number
  /** Bits per second, as it last was. */
  readonly bitrate: number
}

/** What an estimate leaves to a video: the rest is for sound, and for frames that are larger than others. */
const SHARE = 0.85
/** How much more room there is to be for a larger encoding than it takes, so that the choice does not go to and fro. */
const MARGIN = 1.15

/** The largest encoding that there is room for, or the smallest of all. `current` is what is sent now. `estimate` is in bits per second. */
export function chooseEncoding(
  encodings: readonly EncodingRate[],
  estimate: number,
  current: number | undefined,
): number | undefined {
  const room = SHARE * estimate
  const now = encodings.find(({ ssrc }) => ssrc === current)?.bitrate ?? 0
  const bySize = encodings.toSorted((a, b) => a.bitrate - b.bitrate)
  const fitting = bySize.filter(({ bitrate }) => (bitrate > now ? MARGIN * bitrate : bitrate) <= room)
  return (fitting.at(-1) ?? bySize[0])?.ssrc
}

/** What would be sent if there were room for all: bits per second that are worth finding. */
export function desiredBitrate(encodings: readonly EncodingRate[]): number {
  const most = Math.max(0, ...encodings.map(({ bitrate }) => bitrate))
  return (MARGIN * most) / SHARE
}
