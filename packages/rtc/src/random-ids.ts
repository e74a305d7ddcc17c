import type { CryptoProvider } from '@str0m/crypto'
import { readU32, type Ssrc, toHex } from '@str0m/sans-io'

/** What names a source in reports, RFC 7022 section 4.2. */
export function randomName(crypto: CryptoProvider): string {
  return toHex(crypto.randomBytes(12))
}

export function randomSsrc(crypto: CryptoProvider): Ssrc {
  for (;;) {
    const ssrc = readU32(crypto.randomBytes(4), 0)
    if (ssrc !== 0) return ssrc
  }
}
