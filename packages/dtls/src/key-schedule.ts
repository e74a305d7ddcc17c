import type { CryptoProvider, Hmac } from '@str0m/crypto'
import { concatBytes, encodeUtf8 } from '@str0m/sans-io'
import type { CipherSuite } from './cipher-suites.ts'

const MASTER_SECRET_LENGTH = 48
/** Bytes of `verify_data`, RFC 5246 section 7.4.9. */
const VERIFY_DATA_LENGTH = 12

const EXTENDED_MASTER_SECRET = encodeUtf8('extended master secret')
const KEY_EXPANSION = encodeUtf8('key expansion')
const FINISHED = { client: encodeUtf8('client finished'), server: encodeUtf8('server finished') } as const

/** The PRF of RFC 5246 section 5 under the secret that is the HMAC's key: `length` bytes. */
function prf(hmac: Hmac, labelAndSeed: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length)
  let a = hmac.sign(labelAndSeed)
  for (let at = 0; ;) {
    const block = hmac.sign(a, labelAndSeed)
    const left = length - at
    out.set(block.length > left ? block.subarray(0, left) : block, at)
    at += block.length
    if (at >= length) return out
    a = hmac.sign(a)
  }
}

/** What a finished key exchange comes to: the secret of a connection, and what goes with it. */
export class MasterSecret {
  readonly suite: CipherSuite
  readonly clientRandom: Uint8Array
  readonly serverRandom: Uint8Array
  /** Under the master secret, which is not kept beside it. */
  readonly #hmac: Hmac

  constructor(suite: CipherSuite, clientRandom: Uint8Array, serverRandom: Uint8Array, hmac: Hmac) {
    this.suite = suite
    this.clientRandom = clientRandom
    this.serverRandom = serverRandom
    this.#hmac = hmac
  }

  /** The PRF under this secret, RFC 5246 section 5: `length` bytes. */
  prf(labelAndSeed: Uint8Array, length: number): Uint8Array {
    return prf(this.#hmac, labelAndSeed, length)
  }
}

/** The extended master secret, RFC 7627 section 4, over the handshake up to the ClientKeyExchange. */
export function extendedMasterSecret(
  crypto: CryptoProvider,
  suite: CipherSuite,
  randoms: { readonly client: Uint8Array; readonly server: Uint8Array },
  preMasterSecret: Uint8Array,
  transcript: Uint8Array,
): MasterSecret {
  const labelAndSeed = concatBytes([EXTENDED_MASTER_SECRET, crypto.hash(suite.hash, transcript)])
  const secret = prf(crypto.hmac(suite.hash, preMasterSecret), labelAndSeed, MASTER_SECRET_LENGTH)
  return new MasterSecret(suite, randoms.client, randoms.server, crypto.hmac(suite.hash, secret))
}

/** One direction's share of the key block. */
export interface TrafficKeys {
  readonly key: Uint8Array
  readonly iv: Uint8Array
}

/** The key block, RFC 5246 section 6.3. AEADs have no MAC keys. */
export function trafficKeys(master: MasterSecret): {
  readonly client: TrafficKeys
  readonly server: TrafficKeys
} {
  const { keyLength, ivLength } = master.suite
  const labelAndSeed = concatBytes([KEY_EXPANSION, master.serverRandom, master.clientRandom])
  const block = master.prf(labelAndSeed, 2 * (keyLength + ivLength))
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
  const labelAndSeed = concatBytes([FINISHED[sender], crypto.hash(master.suite.hash, transcript)])
  return master.prf(labelAndSeed, VERIFY_DATA_LENGTH)
}

/** Keying material, RFC 5705 section 4. A context that is empty is not the same as none. */
export function exportKeyingMaterial(
  master: MasterSecret,
  label: string,
  context: Uint8Array | undefined,
  length: number,
): Uint8Array {
  const parts = [encodeUtf8(label), master.clientRandom, master.serverRandom]
  if (context !== undefined)
    parts.push(new Uint8Array([context.length >>> 8, context.length & 0xff]), context)
  return master.prf(concatBytes(parts), length)
}
