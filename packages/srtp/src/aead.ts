// AES-GCM: RFC 7714. The header is associated data, and so is SRTCP's trailer (E flag and index), which stands
// after the tag.
import {
  type Aead,
  type AesBlocks,
  type CryptoProvider,
  keystreamGcm,
  type KeystreamGcm,
  viewOf,
} from '@str0m/crypto'
import { assert, writeU32 } from '@str0m/sans-io'
import { CounterBlocks } from './counter-blocks.ts'
import type { SessionKeys } from './key-derivation.ts'
import { Keystream, type KeystreamAhead } from './keystream.ts'
import { E_FLAG, RTCP_HEADER, RTCP_TRAILER } from './packet-format.ts'
import type { ProfileParameters } from './profile.ts'
import type { RtcpProtection, RtpProtection } from './protection.ts'

const TAG_LENGTH = 16
/** NIST SP 800-38D section 5.2.1.1: the counter of a nonce of 96 bits has 32. */
const NONCE_LENGTH = 12

class PacketAead {
  readonly #aead: Aead
  readonly #counters: CounterBlocks
  readonly #nonce: Uint8Array = new Uint8Array(NONCE_LENGTH)

  constructor(crypto: CryptoProvider, parameters: ProfileParameters, keys: SessionKeys) {
    assert(parameters.aead !== undefined, 'a profile without an AEAD')
    this.#aead = crypto.aead(parameters.aead, keys.cipherKey)
    this.#counters = new CounterBlocks('gcm', keys.salt)
  }

  /** Encrypts `buffer` from `start` up to `end` in place, and writes the tag after it. */
  seal(buffer: Uint8Array, aad: Uint8Array, start: number, end: number, ssrc: number, index: number): void {
    this.#counters.writeNonce(this.#nonce, ssrc, index)
    this.#aead.seal(this.#nonce, aad, viewOf(buffer, start, end), buffer, start)
  }

  /** Opens `buffer` from `start` up to `end`, the tag included, in place. */
  open(
    buffer: Uint8Array,
    aad: Uint8Array,
    start: number,
    end: number,
    ssrc: number,
    index: number,
  ): boolean {
    this.#counters.writeNonce(this.#nonce, ssrc, index)
    return this.#aead.open(this.#nonce, aad, viewOf(buffer, start, end), buffer, start)
  }
}

/** AES-GCM over the provider's AEAD: one call a packet. What `KeystreamRtp` is measured and tested against. */
export class AeadRtp implements RtpProtection {
  readonly #aead: PacketAead

  constructor(crypto: CryptoProvider, parameters: ProfileParameters, keys: SessionKeys) {
    this.#aead = new PacketAead(crypto, parameters, keys)
  }

  protect(
    buffer: Uint8Array,
    headerLength: number,
    length: number,
    ssrc: number,
    index: number,
    _ahead: KeystreamAhead | undefined,
  ): void {
    this.#aead.seal(buffer, viewOf(buffer, 0, headerLength), headerLength, length, ssrc, index)
  }

  unprotect(
    packet: Uint8Array,
    headerLength: number,
    ssrc: number,
    index: number,
    _ahead: KeystreamAhead | undefined,
  ): boolean {
    const aad = viewOf(packet, 0, headerLength)
    return this.#aead.open(packet, aad, headerLength, packet.length, ssrc, index)
  }

  prepare(): void {
    // nothing to make ahead: the AEAD makes its own keystream
  }
}

/** AES-GCM over keystream made ahead: less than half of the time, where the runtime has what it takes. */
export class KeystreamRtp implements RtpProtection {
  readonly #gcm: KeystreamGcm
  readonly #keystream: Keystream
  readonly #makeWhole: () => AeadRtp
  /** For packets too long for `#gcm`: made for the first. */
  #whole: AeadRtp | undefined

  /** `cipher` has the key of `keys`, and `gcm` the hash key that belongs to it. */
  constructor(
    crypto: CryptoProvider,
    parameters: ProfileParameters,
    keys: SessionKeys,
    cipher: AesBlocks,
    gcm: KeystreamGcm,
  ) {
    this.#gcm = gcm
    this.#keystream = new Keystream(cipher, new CounterBlocks('gcm', keys.salt))
    // made first, assigned then: CONTRIBUTING.md says why
    const makeWhole = (): AeadRtp => new AeadRtp(crypto, parameters, keys)
    this.#makeWhole = makeWhole
  }

  protect(
    buffer: Uint8Array,
    headerLength: number,
    length: number,
    ssrc: number,
    index: number,
    ahead: KeystreamAhead | undefined,
  ): void {
    if (!this.#gcm.fits(headerLength, length)) {
      this.#useWhole().protect(buffer, headerLength, length, ssrc, index, undefined)
      return
    }
    const keystream = this.#keystream.of(ssrc, index, blocksOf(length - headerLength), ahead)
    this.#gcm.seal(buffer, headerLength, length, keystream, this.#keystream.offset)
  }

  unprotect(
    packet: Uint8Array,
    headerLength: number,
    ssrc: number,
    index: number,
    ahead: KeystreamAhead | undefined,
  ): boolean {
    const length = packet.length - TAG_LENGTH
    if (!this.#gcm.fits(headerLength, length)) {
      return this.#useWhole().unprotect(packet, headerLength, ssrc, index, undefined)
    }
    const keystream = this.#keystream.of(ssrc, index, blocksOf(length - headerLength), ahead)
    return this.#gcm.open(packet, headerLength, length, keystream, this.#keystream.offset)
  }

  prepare(ssrc: number, index: number, payload: number, ahead: KeystreamAhead): void {
    this.#keystream.prepare(ssrc, index, blocksOf(payload), ahead)
  }

  #useWhole(): AeadRtp {
    this.#whole ??= this.#makeWhole()
    return this.#whole
  }
}

/** Those of the payload, and the one that masks the tag. */
function blocksOf(payload: number): number {
  return ((payload + 15) >>> 4) + 1
}

/** The faster of the two, where the runtime has it. */
export function aeadRtp(
  crypto: CryptoProvider,
  parameters: ProfileParameters,
  keys: SessionKeys,
): RtpProtection {
  const cipher = crypto.aesBlocks(keys.cipherKey)
  const gcm = keystreamGcm(cipher.encrypt(new Uint8Array(16)))
  return gcm === undefined
    ? new AeadRtp(crypto, parameters, keys)
    : new KeystreamRtp(crypto, parameters, keys, cipher, gcm)
}

export class AeadRtcp implements RtcpProtection {
  readonly #aead: PacketAead

  constructor(crypto: CryptoProvider, parameters: ProfileParameters, keys: SessionKeys) {
    this.#aead = new PacketAead(crypto, parameters, keys)
  }

  protect(buffer: Uint8Array, length: number, ssrc: number, index: number): void {
    const trailer = (E_FLAG | index) >>> 0
    const aad = associatedData(buffer, RTCP_HEADER, trailer)
    this.#aead.seal(buffer, aad, RTCP_HEADER, length, ssrc, index)
    writeU32(buffer, length + TAG_LENGTH, trailer)
  }

  unprotect(packet: Uint8Array, ssrc: number, trailer: number): boolean {
    const end = packet.length - RTCP_TRAILER
    // RFC 7714 sections 9.2 and 9.3: without the flag there is no ciphertext, and all is associated data
    const start = (trailer & E_FLAG) !== 0 ? RTCP_HEADER : end - TAG_LENGTH
    const aad = associatedData(packet, start, trailer)
    return this.#aead.open(packet, aad, start, end, ssrc, trailer & ~E_FLAG)
  }

  trailerAt(length: number): number {
    return length - RTCP_TRAILER
  }
}

/** The first `length` bytes of `packet`, then the trailer. */
function associatedData(packet: Uint8Array, length: number, trailer: number): Uint8Array {
  const aad = new Uint8Array(length + RTCP_TRAILER)
  aad.set(viewOf(packet, 0, length))
  writeU32(aad, length, trailer)
  return aad
}
