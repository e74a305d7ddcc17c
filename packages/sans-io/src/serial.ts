/**
 * Serial-number arithmetic, RFC 1982: numbers of a fixed width that wrap, compared by the shorter way
 * round. Exactly half the circle apart (undefined in section 3.2), `diff` is negative both ways.
 */
export interface SerialArithmetic {
  /** How many bits a number has. */
  readonly bits: 16 | 24 | 32
  /** `a + delta`, wrapped. `delta` may be negative. */
  add(a: number, delta: number): number
  /** The signed distance from `b` to `a`: positive where `a` is the later one. */
  diff(a: number, b: number): number
  /** Whether `a` comes before `b`. */
  lessThan(a: number, b: number): boolean
  /**
   * The unbounded counterpart of `value`, closest to the unbounded `reference`. Its low bits are
   * `value`; it may be negative just after the start.
   */
  unwrap(value: number, reference: number): number
}

function arithmetic(bits: 16 | 24 | 32): SerialArithmetic {
  const shift = 32 - bits
  const size = 2 ** bits
  return {
    bits,
    add: (a, delta) => ((a + delta) << shift) >>> shift,
    diff: (a, b) => ((a - b) << shift) >> shift,
    lessThan: (a, b) => ((a - b) << shift) >> shift < 0,
    unwrap: (value, reference) => {
      const low = ((reference % size) + size) % size
      return reference + (((value - low) << shift) >> shift)
    },
  }
}

/** For RTP sequence numbers and SCTP stream sequence numbers. */
export const serial16: SerialArithmetic = arithmetic(16)
/** For the reference times of transport-wide feedback. */
export const serial24: SerialArithmetic = arithmetic(24)
/** For RTP timestamps and SCTP TSNs. */
export const serial32: SerialArithmetic = arithmetic(32)
