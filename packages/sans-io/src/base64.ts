// RFC 4648. What runtimes have for it differs, and no way of theirs is in all of them.

const LETTERS_AND_DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
/** `=` */
const PAD = 0x3d
const NO_DIGIT = 0xff

/** One of the two alphabets: the character codes by their values, and the values by their codes. */
interface Alphabet {
  readonly codes: Uint8Array
  readonly values: Uint8Array
}

function alphabetOf(last: string): Alphabet {
  const codes = Uint8Array.from(LETTERS_AND_DIGITS + last, (character) => character.charCodeAt(0))
  const values = new Uint8Array(0x80).fill(NO_DIGIT)
  codes.forEach((code, value) => (values[code] = value))
  return { codes, values }
}

const BASE64 = alphabetOf('+/')
const BASE64_URL = alphabetOf('-_')

/** Writes base64 (RFC 4648 section 4), with padding. */
export function toBase64(bytes: Uint8Array): string {
  const padding = (3 - (bytes.length % 3)) % 3
  return encode(bytes, BASE64) + '='.repeat(padding)
}

/** Writes base64url (RFC 4648 section 5) without padding, as JSON Web Keys have it. */
export function toBase64Url(bytes: Uint8Array): string {
  return encode(bytes, BASE64_URL)
}

/** Reads base64 (RFC 4648 section 4), also without its padding; `undefined` where it is none. */
export function fromBase64(text: string): Uint8Array | undefined {
  return decode(text, BASE64)
}

/** Reads base64url (RFC 4648 section 5), with or without padding; `undefined` where it is none. */
export function fromBase64Url(text: string): Uint8Array | undefined {
  return decode(text, BASE64_URL)
}

/** Bytes that become text at once: what can be passed as arguments is limited. */
const CHUNK = 3 * 1024

function encode(bytes: Uint8Array, { codes }: Alphabet): string {
  let text = ''
  for (let from = 0; from < bytes.length; from += CHUNK) {
    const to = Math.min(from + CHUNK, bytes.length)
    const digits: number[] = []
    for (let i = from; i < to; i += 3) {
      const group = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
      digits.push(codes[group >> 18]!, codes[(group >> 12) & 63]!)
      if (i + 1 < to) digits.push(codes[(group >> 6) & 63]!)
      if (i + 2 < to) digits.push(codes[group & 63]!)
    }
    text += String.fromCharCode(...digits)
  }
  return text
}

function decode(text: string, { values }: Alphabet): Uint8Array | undefined {
  let length = text.length
  while (length > 0 && text.charCodeAt(length - 1) === PAD) length--
  // one digit alone is less than a byte
  if (length % 4 === 1) return undefined
  const bytes = new Uint8Array((length * 3) >> 2)
  let bits = 0
  let value = 0
  let at = 0
  for (let i = 0; i < length; i++) {
    const digit = values[text.charCodeAt(i)] ?? NO_DIGIT
    if (digit === NO_DIGIT) return undefined
    value = ((value << 6) | digit) & 0xffff
    bits += 6
    if (bits < 8) continue
    bits -= 8
    bytes[at++] = value >> bits
  }
  return bytes
}
