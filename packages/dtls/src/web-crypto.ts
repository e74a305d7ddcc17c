// The only use of WebCrypto, which is asynchronous: to get at a key pair that an application made with it.

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

/** The platform's WebCrypto, or @peculiar/webcrypto where it has none. */
async function subtle(): Promise<Subtle> {
  const platform = (globalThis as { crypto?: { subtle?: Subtle } }).crypto?.subtle
  if (platform !== undefined) return platform
  const { Crypto } = await import('@peculiar/webcrypto')
  return new Crypto().subtle as Subtle
}

/** DER PKCS #8 of a private key. Rejects where it may not be exported. */
export async function exportWebCryptoKey(key: WebCryptoKey): Promise<Uint8Array> {
  return new Uint8Array(await (await subtle()).exportKey('pkcs8', key))
}
