const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

const CODES = Array.from(ALPHABET, (character) => character.charCodeAt(0))

/** RFC 4648 section 5, without padding: how a JWK holds bytes. At most some hundred of them. */
export function toBase64Url(bytes: Uint8Array): string {
  const codes: number[] = []
  for (let i = 0; i < bytes.length; i += 3) {
    const group = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    const count = Math.min(3, bytes.length - i) + 1
    for (let j = 0; j < count; j++) codes.push(CODES[(group >> (18 - 6 * j)) & 63]!)
  }
  return String.fromCharCode(...codes)
}

/** Reads what `toBase64Url` writes. */
export function fromBase64Url(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  let bits = 0
  let value = 0
  let at = 0
  for (const character of text) {
    value = ((value << 6) | ALPHABET.indexOf(character)) & 0xffff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = value >> bits
    }
  }
  return bytes
}
