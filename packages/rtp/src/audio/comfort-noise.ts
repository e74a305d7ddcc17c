/** Comfort noise, RFC 3389 section 3. */
export interface ComfortNoise {
  /** In −dBov, 0 (loudest) to 127. */
  readonly level: number
  /** The reflection coefficients of the noise's spectrum, each quantized to a byte (section 3.2); none: white noise. */
  readonly coefficients: Uint8Array
}

/** Reads a payload, whose coefficients come as a copy; `undefined` where it is empty. */
export function readComfortNoise(payload: Uint8Array): ComfortNoise | undefined {
  const first = payload[0]
  // section 3.1: the highest bit is always 0, and ignored
  return first === undefined
    ? undefined
    : { level: first & 0x7f, coefficients: new Uint8Array(payload.subarray(1)) }
}

/** Writes a payload. A level out of 0 to 127 is moved to the nearest. */
export function writeComfortNoise({ level, coefficients }: ComfortNoise): Uint8Array {
  const payload = new Uint8Array(1 + coefficients.length)
  payload[0] = Math.max(0, Math.min(127, Math.round(level)))
  payload.set(coefficients, 1)
  return payload
}
