/** The NAL units between start codes of three or four bytes, without the zeros that trail them (ITU-T H.264 and H.265 section B.1). */
export function splitAnnexB(bytes: Uint8Array): Uint8Array[] {
  const units: Uint8Array[] = []
  let start = -1
  const finish = (to: number): void => {
    let end = to
    while (end > start && bytes[end - 1] === 0) end--
    if (start >= 0 && end > start) units.push(bytes.subarray(start, end))
  }
  for (let i = 0; i + 2 < bytes.length; i++) {
    // a one ends a start code only after two zeros: look at the third byte, and skip three where it is neither
    if (bytes[i + 2]! > 1) i += 2
    else if (bytes[i] === 0 && bytes[i + 1] === 0 && bytes[i + 2] === 1) {
      finish(i)
      start = i + 3
      i += 2
    }
  }
  finish(bytes.length)
  return units
}
