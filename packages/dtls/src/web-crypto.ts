// The only use of WebCrypto, which is asynchronous: to get at a key pair that an application made with it.
import { UsageError } from '@str0m/sans-io'

/** A key of WebCrypto (`CryptoKey`). */
export interface WebCryptoKey {
  readonly type: string
  readonly extractable: boolean
}

/** What `subtle.generateKey` answers for `{ name: 'ECDSA', namedCurve: 'P-256' }` (`CryptoKeyPair`). */
export interface WebCryptoKeyPair {
  readonly privateKey: WebCryptoKey
  readonly publicKey: WebCryptoKey
}

interface Subtle {
  exportKey(format: 'pkcs8', key: WebCryptoKey): Promise<ArrayBuffer>
}

interface Platform {
  readonly crypto?: { readonly subtle?: Subtle }
  readonly CryptoKey?: new () => WebCryptoKey
}

/**
 * What can export `key`: each implementation knows its own keys alone. Other than the platform's is @peculiar/webcrypto, which needs Node: what is bundled for
 * browsers goes without it (`browser` in package.json).
 */
async function subtleOf(key: WebCryptoKey): Promise<Subtle> {
  const { crypto, CryptoKey } = globalThis as Platform
  if (crypto?.subtle !== undefined && CryptoKey !== undefined && key instanceof CryptoKey)
    return crypto.subtle
  const { Crypto } = await import('@peculiar/webcrypto')
  return new Crypto().subtle as Subtle
}

/** DER PKCS #8 of a private key. Rejects with a `UsageError` (`invalid-key`) what is none of either implementation. */
export async function exportWebCryptoKey(key: WebCryptoKey): Promise<Uint8Array> {
  try {
    const subtle = await subtleOf(key)
    return new Uint8Array(await subtle.exportKey('pkcs8', key))
  } catch (cause) {
    throw new UsageError('invalid-key', 'Give the private key of an ECDSA key pair on P-256 of WebCrypto', {
      cause,
    })
  }
}
