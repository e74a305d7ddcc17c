import { UsageError } from '@str0m/sans-io'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/**
 * The bytes of the first block of `label` in PEM (RFC 7468). Throws a `UsageError` (`invalid-pem`) where there is
 * none.
 */
export function decodePem(pem: string, label: string): Uint8Array {
  const begin = `-----BEGIN ${label}-----`
  const start = pem.indexOf(begin)
  const end = pem.indexOf(`-----END ${label}-----`, start)
  const bytes = start < 0 || end < 0 ? undefined : decodeBase64(pem.slice(start + begin.length, end))
  if (bytes === undefined || bytes.length === 0) {
    throw new UsageError('invalid-pem', `There is no PEM block of "${label}" to read`)
  }
  return bytes
}

function decodeBase64(text: string): Uint8Array | undefined {
  const digits = text.replaceAll(/\s/g, '').replace(/={1,2}$/, '')
  const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4))
  let bits = 0
  let count = 0
  let at = 0
  for (const digit of digits) {
    const value = ALPHABET.indexOf(digit)
    if (value < 0) return undefined
    bits = ((bits << 6) | value) & 0xffff
    count += 6
    if (count >= 8) {
      count -= 8
      bytes[at++] = bits >>> count
    }
  }
  return bytes
}
