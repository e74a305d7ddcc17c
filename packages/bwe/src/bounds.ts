import { UsageError } from '@str0m/sans-io'

/** Bits per second. */
const DEFAULT_INITIAL_BITRATE = 300_000
const DEFAULT_MIN_BITRATE = 30_000

/** All are optional. Bits per second. */
export interface BandwidthEstimatorOptions {
  /** What is taken for the bandwidth before anything is known. Default 300 000. */
  readonly initialBitrate?: number
  /** The estimate does not fall below it. Default 30 000. */
  readonly minBitrate?: number
  /** The estimate does not rise above it. Default: no bound. */
  readonly maxBitrate?: number
}

/** What an estimate begins with, and where it stays. Throws a `UsageError` (`invalid-option`). */
export function boundsOf(options: BandwidthEstimatorOptions): { initial: number; min: number; max: number } {
  const { initialBitrate = DEFAULT_INITIAL_BITRATE, minBitrate = DEFAULT_MIN_BITRATE } = options
  const { maxBitrate = Number.POSITIVE_INFINITY } = options
  if (!(initialBitrate > 0 && initialBitrate < Number.POSITIVE_INFINITY)) {
    throw new UsageError(
      'invalid-option',
      `initialBitrate is to be finite and above 0, not ${initialBitrate}`,
    )
  }
  if (!(minBitrate > 0 && minBitrate <= maxBitrate && minBitrate < Number.POSITIVE_INFINITY)) {
    throw new UsageError('invalid-option', 'minBitrate is to be above 0, and not above maxBitrate')
  }
  const initial = Math.min(Math.max(initialBitrate, minBitrate), maxBitrate)
  return { initial, min: minBitrate, max: maxBitrate }
}
