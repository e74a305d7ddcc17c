// SRTP as slow and plain as the RFCs tell it, from node:crypto alone: what the contexts are compared with.
import { createCipheriv, createHmac } from 'node:crypto'
import type { SrtpProfile } from '../src/index.ts'

function bigEndian(value: bigint, length: number): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex')
}

function xor(a: Uint8Array, b: Uint8Array): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ b[i]!))
}

/** RFC 3711 section 4.3: `length` bytes of AES-CM under the master key. */
function derive(masterKey: Uint8Array, masterSalt: Uint8Array, label: number, length: number): Buffer {
  const salt = Buffer.concat([masterSalt, Buffer.alloc(16 - masterSalt.length)])
  const iv = xor(salt, bigEndian(BigInt(label) << 64n, 16))
  return createCipheriv(`aes-${8 * masterKey.length}-ctr`, masterKey, iv).update(Buffer.alloc(length))
}

export class Oracle {
  readonly #profile: SrtpProfile
  readonly #keys: readonly Buffer[]

  constructor(profile: SrtpProfile, masterKey: Uint8Array, masterSalt: Uint8Array) {
    this.#profile = profile
    const lengths = [masterKey.length, 20, masterSalt.length]
    this.#keys = [0, 1, 2, 3, 4, 5].map((label) => derive(masterKey, masterSalt, label, lengths[label % 3]!))
  }

  /** RFC 3711 section 3.3, RFC 7714 section 8: the SRTP packet of `header` and `payload`. */
  rtp(header: Uint8Array, payload: Uint8Array, ssrc: number, rollover: number): Buffer {
    const [key, authKey, salt] = this.#keys as [Buffer, Buffer, Buffer]
    const sequence = (header[2]! << 8) | header[3]!
    const index = (BigInt(rollover) << 16n) | BigInt(sequence)
    if (this.#profile.startsWith('AEAD')) {
      return Buffer.concat([header, this.#seal(key, salt, ssrc, index, header, payload)])
    }
    const encrypted = this.#crypt(key, salt, ssrc, index, payload)
    const packet = Buffer.concat([header, encrypted])
    const tag = createHmac('sha1', authKey)
      .update(packet)
      .update(bigEndian(BigInt(rollover), 4))
      .digest()
    return Buffer.concat([packet, tag.subarray(0, this.#profile.endsWith('80') ? 10 : 4)])
  }

  /** RFC 3711 section 3.4, RFC 7714 section 9: the SRTCP packet. */
  rtcp(packet: Uint8Array, ssrc: number, index: number): Buffer {
    const [key, authKey, salt] = this.#keys.slice(3) as [Buffer, Buffer, Buffer]
    const header = packet.subarray(0, 8)
    const trailer = bigEndian(0x8000_0000n | BigInt(index), 4)
    if (this.#profile.startsWith('AEAD')) {
      const aad = Buffer.concat([header, trailer])
      const sealed = this.#seal(key, salt, ssrc, BigInt(index), aad, packet.subarray(8))
      return Buffer.concat([header, sealed, trailer])
    }
    const encrypted = this.#crypt(key, salt, ssrc, BigInt(index), packet.subarray(8))
    const authenticated = Buffer.concat([header, encrypted, trailer])
    const tag = createHmac('sha1', authKey).update(authenticated).digest()
    return Buffer.concat([authenticated, tag.subarray(0, 10)])
  }

  /** RFC 3711 section 4.1.1: IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16). */
  #crypt(key: Buffer, salt: Buffer, ssrc: number, index: bigint, payload: Uint8Array): Buffer {
    const iv = xor(
      Buffer.concat([salt, Buffer.alloc(2)]),
      bigEndian((BigInt(ssrc) << 64n) ^ (index << 16n), 16),
    )
    return createCipheriv('aes-128-ctr', key, iv).update(payload)
  }

  /** RFC 7714 sections 8.1 and 9.1. */
  #seal(
    key: Buffer,
    salt: Buffer,
    ssrc: number,
    index: bigint,
    aad: Uint8Array,
    plaintext: Uint8Array,
  ): Buffer {
    const iv = xor(salt, bigEndian((BigInt(ssrc) << 48n) | index, 12))
    const algorithm = this.#profile === 'AEAD_AES_128_GCM' ? 'aes-128-gcm' : 'aes-256-gcm'
    const cipher = createCipheriv(algorithm, key, iv).setAAD(aad)
    return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
  }
}
