import type { CryptoProvider } from '@str0m/crypto'
import { concatBytes, encodeUtf8 } from '@str0m/sans-io'
import type { CipherSuite } from './cipher-suites.ts'

type PrfHash = CipherSuite['hash']

const MASTER_SECRET_LENGTH = 48
/** Bytes of `verify_data`, RFC 5246 section 7.4.9. */
const VERIFY_DATA_LENGTH = 12

/** The PRF of RFC 5246 section 5: `length` bytes. */
function prf(
  crypto: CryptoProvider,
  hash: PrfHash,
  secret: Uint8Array,
  label: string,
  seed: Uint8Array,
  length: number,
): Uint8Array {
  const hmac = crypto.hmac(hash, secret)
  const labelAndSeed = concatBytes([encodeUtf8(label), seed])
  const out = new Uint8Array(length)
  let a = hmac.sign(labelAndSeed)
  for (let at = 0; ;) {
    const block = hmac.sign(a, labelAndSeed)
    out.set(block.subarray(0, Math.min(hmac.length, length - at)), at)
    at += hmac.length
    if (at >= length) return out
    a = hmac.sign(a)
  }
}

/** What a finished key exchange comes to: the secrets of a connection. */
export interface MasterSecret {
  readonly suite: CipherSuite
  readonly secret: Uint8Array
  readonly clientRandom: Uint8Array
  readonly serverRandom: Uint8Array
}

/** The extended master secret, RFC 7627 section 4, over the handshake up to the ClientKeyExchange. */
export function extendedMasterSecret(
  crypto: CryptoProvider,
  hash: PrfHash,
  preMasterSecret: Uint8Array,
  transcript: Uint8Array,
): Uint8Array {
  const sessionHash = crypto.hash(hash, transcript)
  return prf(crypto, hash, preMasterSecret, 'extended master secret', sessionHash, MASTER_SECRET_LENGTH)
}

/** One direction's share of the key block. */
export interface TrafficKeys {
  readonly key: Uint8Array
  readonly iv: Uint8Array
}

/** The key block, RFC 5246 section 6.3. AEADs have no MAC keys. */
export function trafficKeys(
  crypto: CryptoProvider,
  master: MasterSecret,
): { readonly client: TrafficKeys; readonly server: TrafficKeys } {
  const { hash, keyLength, ivLength } = master.suite
  const seed = concatBytes([master.serverRandom, master.clientRandom])
  const block = prf(crypto, hash, master.secret, 'key expansion', seed, 2 * (keyLength + ivLength))
  const ivAt = 2 * keyLength
  return {
    client: { key: block.subarray(0, keyLength), iv: block.subarray(ivAt, ivAt + ivLength) },
    server: { key: block.subarray(keyLength, ivAt), iv: block.subarray(ivAt + ivLength) },
  }
}

/** `verify_data` of a Finished, RFC 5246 section 7.4.9, over the handshake before it. */
export function verifyData(
  crypto: CryptoProvider,
  master: MasterSecret,
  sender: 'client' | 'server',
  transcript: Uint8Array,
): Uint8Array {
  const { hash } = master.suite
  const seed = crypto.hash(hash, transcript)
  return prf(crypto, hash, master.secret, `${sender} finished`, seed, VERIFY_DATA_LENGTH)
}

/** Keying material, RFC 5705 section 4. A context that is empty is not the same as none. */
export function exportKeyingMaterial(
  crypto: CryptoProvider,
  master: MasterSecret,
  label: string,
  context: Uint8Array | undefined,
  length: number,
): Uint8Array {
  const parts = [master.clientRandom, master.serverRandom]
  if (context !== undefined)
    parts.push(new Uint8Array([context.length >>> 8, context.length & 0xff]), context)
  return prf(crypto, master.suite.hash, master.secret, label, concatBytes(parts), length)
}
