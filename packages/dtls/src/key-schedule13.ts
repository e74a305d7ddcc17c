// The key schedule of DTLS 1.3: RFC 8446 section 7, with the label prefix of RFC 9147 section 5.9.
//
//   0 -> Extract -> Early Secret -> "derived" -> Extract (ECDHE) -> Handshake Secret -> "c hs traffic", "s hs traffic"
//     -> "derived" -> Extract (0) -> Master Secret -> "c ap traffic", "s ap traffic", "exp master"

import type { CryptoProvider, Hmac } from '@str0m/crypto'
import { encodeUtf8 } from '@str0m/sans-io'
import { NO_BYTES } from './bytes.ts'
import type { CipherSuite13 } from './cipher-suites13.ts'

/** RFC 9147 section 5.9: without a space at the end. */
const LABEL_PREFIX = 'dtls13'
const IV_LENGTH = 12

type Role = 'client' | 'server'
type HashName = CipherSuite13['hash']

const HASH_LENGTHS = { sha256: 32, sha384: 48 } as const

/** Each label as HkdfLabel has it: its length, the prefix and it. */
const labels = new Map<string, Uint8Array>()

function encodedLabel(label: string): Uint8Array {
  const known = labels.get(label)
  if (known !== undefined) return known
  const text = encodeUtf8(LABEL_PREFIX + label)
  const encoded = new Uint8Array(1 + text.length)
  encoded[0] = text.length
  encoded.set(text, 1)
  return encoded
}

for (const label of [
  'derived',
  'c hs traffic',
  's hs traffic',
  'c ap traffic',
  's ap traffic',
  'exp master',
  'key',
  'iv',
  'sn',
  'finished',
  'traffic upd',
  'exporter',
]) {
  labels.set(label, encodedLabel(label))
}

/** HKDF-Expand-Label, RFC 8446 section 7.1, under the secret that is the HMAC's key. `context` has at most 255 bytes. */
function expandLabel(hmac: Hmac, label: string, context: Uint8Array, length: number): Uint8Array {
  const name = encodedLabel(label)
  const infoLength = 3 + name.length + context.length
  // T(n - 1), which the first block lacks, HkdfLabel, and n: RFC 5869 section 2.3
  const input = new Uint8Array(hmac.length + infoLength + 1)
  const at = hmac.length
  input[at] = length >>> 8
  input[at + 1] = length
  input.set(name, at + 2)
  input[at + 2 + name.length] = context.length
  input.set(context, at + 3 + name.length)
  const out = new Uint8Array(length)
  let block = NO_BYTES
  for (let filled = 0, n = 1; filled < length; n++) {
    input.set(block)
    input[at + infoLength] = n
    block = hmac.sign(n === 1 ? input.subarray(at) : input)
    out.set(block.subarray(0, length - filled), filled)
    filled += block.length
  }
  return out
}

/** A traffic secret, RFC 8446 section 7.3: what the keys of one direction of an epoch come from. */
export class TrafficSecret {
  readonly suite: CipherSuite13
  readonly #crypto: CryptoProvider
  readonly #hmac: Hmac

  constructor(crypto: CryptoProvider, suite: CipherSuite13, secret: Uint8Array) {
    this.suite = suite
    this.#crypto = crypto
    this.#hmac = crypto.hmac(suite.hash, secret)
  }

  key(): Uint8Array {
    return expandLabel(this.#hmac, 'key', NO_BYTES, this.suite.keyLength)
  }

  iv(): Uint8Array {
    return expandLabel(this.#hmac, 'iv', NO_BYTES, IV_LENGTH)
  }

  /** `sn_key`, RFC 9147 section 4.2.3. */
  recordNumberKey(): Uint8Array {
    return expandLabel(this.#hmac, 'sn', NO_BYTES, this.suite.keyLength)
  }

  /** `verify_data` of a Finished over what `transcriptHash` is of, RFC 8446 section 4.4.4. */
  verifyData(transcriptHash: Uint8Array): Uint8Array {
    const key = expandLabel(this.#hmac, 'finished', NO_BYTES, HASH_LENGTHS[this.suite.hash])
    return this.#crypto.hmac(this.suite.hash, key).sign(transcriptHash)
  }

  /** That of the epoch after, RFC 8446 section 7.2. */
  next(): TrafficSecret {
    const secret = expandLabel(this.#hmac, 'traffic upd', NO_BYTES, HASH_LENGTHS[this.suite.hash])
    return new TrafficSecret(this.#crypto, this.suite, secret)
  }
}

/** The traffic secrets of both directions. */
export type TrafficSecrets = Readonly<Record<Role, TrafficSecret>>

/** From a key exchange on. Without a PSK all before is the same for every connection. */
export class HandshakeSecret {
  readonly #crypto: CryptoProvider
  readonly #suite: CipherSuite13
  readonly #hmac: Hmac

  constructor(crypto: CryptoProvider, suite: CipherSuite13, sharedSecret: Uint8Array) {
    this.#crypto = crypto
    this.#suite = suite
    this.#hmac = crypto.hmac(
      suite.hash,
      extract(crypto, suite.hash, derivedFromNothing(crypto, suite.hash), sharedSecret),
    )
  }

  /** Of epoch 2, over the transcript up to the ServerHello. */
  trafficSecrets(transcriptHash: Uint8Array): TrafficSecrets {
    return trafficSecrets(this.#crypto, this.#suite, this.#hmac, 'hs', transcriptHash)
  }

  /** The master secret's, over the transcript up to the server's Finished. */
  application(transcriptHash: Uint8Array): {
    readonly traffic: TrafficSecrets
    readonly exporter: ExporterSecret
  } {
    const crypto = this.#crypto
    const { hash } = this.#suite
    const derived = expandLabel(this.#hmac, 'derived', emptyHash(crypto, hash), HASH_LENGTHS[hash])
    const master = crypto.hmac(hash, extract(crypto, hash, derived, new Uint8Array(HASH_LENGTHS[hash])))
    const exporter = expandLabel(master, 'exp master', transcriptHash, HASH_LENGTHS[hash])
    return {
      traffic: trafficSecrets(crypto, this.#suite, master, 'ap', transcriptHash),
      exporter: new ExporterSecret(crypto, hash, exporter),
    }
  }
}

/** `exporter_master_secret`, RFC 8446 section 7.5. */
export class ExporterSecret {
  readonly #crypto: CryptoProvider
  readonly #hash: HashName
  readonly #hmac: Hmac

  constructor(crypto: CryptoProvider, hash: HashName, secret: Uint8Array) {
    this.#crypto = crypto
    this.#hash = hash
    this.#hmac = crypto.hmac(hash, secret)
  }

  /** `length` bytes. No context is the same as an empty one. */
  export(label: string, context: Uint8Array, length: number): Uint8Array {
    const crypto = this.#crypto
    const hash = this.#hash
    const derived = expandLabel(this.#hmac, label, emptyHash(crypto, hash), HASH_LENGTHS[hash])
    return expandLabel(crypto.hmac(hash, derived), 'exporter', crypto.hash(hash, context), length)
  }
}

function trafficSecrets(
  crypto: CryptoProvider,
  suite: CipherSuite13,
  hmac: Hmac,
  stage: 'hs' | 'ap',
  transcriptHash: Uint8Array,
): TrafficSecrets {
  const length = HASH_LENGTHS[suite.hash]
  const secret = (sender: 'c' | 's'): TrafficSecret =>
    new TrafficSecret(crypto, suite, expandLabel(hmac, `${sender} ${stage} traffic`, transcriptHash, length))
  return { client: secret('c'), server: secret('s') }
}

/** HKDF-Extract, RFC 5869 section 2.2. */
function extract(
  crypto: CryptoProvider,
  hash: HashName,
  salt: Uint8Array,
  keyingMaterial: Uint8Array,
): Uint8Array {
  return crypto.hmac(hash, salt).sign(keyingMaterial)
}

/** What follows from no PSK, and the hash of nothing: for each hash function the same bytes for ever. */
const derived = new Map<HashName, Uint8Array>()
const emptyHashes = new Map<HashName, Uint8Array>()

function derivedFromNothing(crypto: CryptoProvider, hash: HashName): Uint8Array {
  const known = derived.get(hash)
  if (known !== undefined) return known
  const zeros = new Uint8Array(HASH_LENGTHS[hash])
  const early = crypto.hmac(hash, extract(crypto, hash, zeros, zeros))
  const made = expandLabel(early, 'derived', emptyHash(crypto, hash), HASH_LENGTHS[hash])
  derived.set(hash, made)
  return made
}

function emptyHash(crypto: CryptoProvider, hash: HashName): Uint8Array {
  const known = emptyHashes.get(hash)
  if (known !== undefined) return known
  const made = crypto.hash(hash, NO_BYTES)
  emptyHashes.set(hash, made)
  return made
}
