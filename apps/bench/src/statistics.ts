/** The value below which the share `p` (0 to 1) of `values` lies, interpolated between the two that are next to it. `NaN` of none. */
export function percentile(values: readonly number[], p: number): number {
  if (!(p >= 0 && p <= 1)) throw new RangeError(`A share is from 0 to 1, not ${p}`)
  if (values.length === 0) return Number.NaN
  const sorted = values.toSorted((a, b) => a - b)
  const position = p * (sorted.length - 1)
  const below = Math.floor(position)
  const low = sorted[below]!
  const high = sorted[Math.ceil(position)]!
  return low + (high - low) * (position - below)
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/**
 * How many times as long as `base` something took: the median of the ratios of rounds that ran one right after the other, so that what
 * slows the machine for a while slows both.
 */
export function pairedRatio(values: readonly number[], base: readonly number[]): number {
  if (values.length !== base.length) {
    throw new RangeError(`${values.length} and ${base.length} rounds are no pairs`)
  }
  return median(values.map((value, i) => value / base[i]!))
}
