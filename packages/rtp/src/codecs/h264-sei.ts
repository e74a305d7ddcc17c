/** A payload type of SEI, ITU-T H.264 annex D. */
const RECOVERY_POINT = 6

/**
 * Whether an SEI NAL unit says that decoding can start at its access unit, and is right from there on (in output order): a recovery point with a recovery_frame_cnt
 * of 0, ITU-T H.264 annex D. Where it is higher, as with intra refresh, so many pictures are not yet right.
 */
export function isImmediateRecoveryPoint(unit: Uint8Array): boolean {
  let at = 1
  let zeros = 0
  /** The next byte, -1 at the end: a three after two zeros is none of them (section 7.4.1.1). */
  const next = (): number => {
    if (zeros >= 2 && unit[at] === 3) {
      at++
      zeros = 0
    }
    const byte = unit[at++]
    if (byte === undefined) return -1
    zeros = byte === 0 ? zeros + 1 : 0
    return byte
  }
  /** Section 7.3.2.3.1: bytes of 255, which are added to the one after them. */
  const number = (): number => {
    let value = 0
    let byte = next()
    for (; byte === 0xff; byte = next()) value += byte
    return byte < 0 ? -1 : value + byte
  }
  for (;;) {
    const type = number()
    const size = number()
    if (size < 0) return false
    // ue(v): a zero is a single one
    if (type === RECOVERY_POINT) return size > 0 && next() >> 7 === 1
    for (let i = 0; i < size; i++) if (next() < 0) return false
  }
}
