import {
  type CryptoProvider,
  type KeyExchange,
  type KeyExchangeGroup,
  nativeCrypto,
  type SigningKey,
  type VerifyingKey,
} from '@str0m/crypto'
import { SeededRandom, toHex } from '@str0m/sans-io'

/** Answers that are kept of each kind; then all are forgotten. */
const MAX_KEPT = 4096

class Kept<T> {
  readonly #answers = new Map<string, T>()

  get(key: string, make: () => T): T {
    const known = this.#answers.get(key)
    if (known !== undefined) return known
    if (this.#answers.size >= MAX_KEPT) this.#answers.clear()
    const made = make()
    this.#answers.set(key, made)
    return made
  }
}

/** `undefined` cannot be kept as it is. */
interface Answer<T> {
  readonly is: T
}

const keyExchanges = new Kept<KeyExchange>()
const signingKeys = new Kept<SigningKey>()
const verifyingKeys = new Kept<Answer<VerifyingKey | undefined>>()
const secrets = new Kept<Answer<Uint8Array | undefined>>()
const signatures = new Kept<Uint8Array>()
const verdicts = new Kept<Answer<boolean>>()

function quickKeyExchange(key: KeyExchange): KeyExchange {
  const own = toHex(key.publicKey)
  return {
    group: key.group,
    publicKey: key.publicKey,
    deriveSecret: (peer) =>
      secrets.get(`${own} ${toHex(peer)}`, () => ({ is: key.deriveSecret(peer) })).is?.slice(),
  }
}

function quickSigningKey(key: SigningKey): SigningKey {
  const own = toHex(key.publicKey)
  return {
    publicKey: key.publicKey,
    sign: (data) => signatures.get(`${own} ${toHex(data)}`, () => key.sign(data)).slice(),
    exportPkcs8: () => key.exportPkcs8(),
  }
}

function quickVerifyingKey(spki: string, key: VerifyingKey): VerifyingKey {
  return {
    type: key.type,
    curve: key.curve,
    verify: (algorithm, data, signature) =>
      verdicts.get(`${spki} ${algorithm} ${toHex(data)} ${toHex(signature)}`, () => ({
        is: key.verify(algorithm, data, signature),
      })).is,
  }
}

/**
 * A provider whose randomness follows from `seed`, and that remembers the answers of public keys, over all inputs that are tried: a handshake then costs
 * about what its parsers do. The same calls have the same answers, remembered or not.
 */
export function fuzzCrypto(seed: number): CryptoProvider {
  const native = nativeCrypto({ random: new SeededRandom(seed).fill })
  let made = 0
  /** For one key alone, so that it makes no difference to what comes after whether it was remembered. */
  const forOneKey = (number: number): CryptoProvider =>
    nativeCrypto({ random: new SeededRandom(seed * 1000 + number).fill })
  return {
    name: native.name,
    randomBytes: (length) => native.randomBytes(length),
    hash: (algorithm, data) => native.hash(algorithm, data),
    createHash: (algorithm) => native.createHash(algorithm),
    hmac: (algorithm, key) => native.hmac(algorithm, key),
    aead: (algorithm, key) => native.aead(algorithm, key),
    aesBlocks: (key) => native.aesBlocks(key),
    chachaBlocks: (key) => native.chachaBlocks(key),
    generateKeyExchange: (group: KeyExchangeGroup) => {
      const number = made++
      return keyExchanges.get(`${seed} ${number} ${group}`, () =>
        quickKeyExchange(forOneKey(number).generateKeyExchange(group)),
      )
    },
    generateSigningKey: () => {
      const number = made++
      return signingKeys.get(`${seed} ${number}`, () =>
        quickSigningKey(forOneKey(number).generateSigningKey()),
      )
    },
    importSigningKey: (pkcs8) => quickSigningKey(native.importSigningKey(pkcs8)),
    importVerifyingKey: (spki) => {
      const text = toHex(spki)
      return verifyingKeys.get(text, () => {
        const key = native.importVerifyingKey(spki)
        return { is: key && quickVerifyingKey(text, key) }
      }).is
    },
  }
}
