import { keystreamGcm, nativeCrypto, portableCrypto } from '@str0m/crypto'
import { describe, expect, it } from 'vitest'
import { AeadRtcp, AeadRtp, KeystreamRtp } from '../src/aead.ts'
import { profileParameters } from '../src/profile.ts'
import { hex, toHex } from './support.ts'

const PROVIDERS = [nativeCrypto(), portableCrypto()]

/** RFC 7714 section 16: "Gallia est omnis divisa in partes tres" behind a header of 12 bytes. */
const RTP = hex(`8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
  69736120 696e2070 61727465 73207472 6573`)
const RTP_SSRC = 0x5501_a0b2
const RTP_INDEX = 0xf17b
/** RFC 7714 section 17. */
const RTCP = hex(`81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
  deadbeef deadbeef deadbeef deadbeef deadbeef`)
const RTCP_SSRC = 0x4d61_7273
const RTCP_INDEX = 0x5d4
const SALT = hex('51756964 2070726f 2071756f')
const KEY = hex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f')

const CASES = [
  {
    profile: 'AEAD_AES_128_GCM',
    rtp: `8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a
      51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce`,
    rtcp: `81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda
      4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4`,
    taggedRtp: '22493f82 d2bce397 e9d79e3b 19aa4216',
    taggedRtcp: '841dd968 3dd78ec9 2ae58790 125f62b3 000005d4',
  },
  {
    profile: 'AEAD_AES_256_GCM',
    rtp: `8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02
      76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13`,
    rtcp: `81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be
      8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4`,
    taggedRtp: 'a866d591 0f887463 067ceefe c45215d4',
    taggedRtcp: '91db4afb feee5a97 8fab4393 ed2615fe 000005d4',
  },
] as const

describe.each(PROVIDERS)('RFC 7714, $name', (crypto) => {
  describe.each(CASES)('$profile', (vector) => {
    const parameters = profileParameters(vector.profile)
    const keys = { cipherKey: KEY.slice(0, parameters.keyLength), salt: SALT, authKey: new Uint8Array(0) }

    const cipher = crypto.aesBlocks(keys.cipherKey)
    const gcm = keystreamGcm(cipher.encrypt(new Uint8Array(16)))!

    it.each([
      ['one call a packet', new AeadRtp(crypto, parameters, keys)],
      ['over keystream', new KeystreamRtp(crypto, parameters, keys, cipher, gcm)],
    ])('section 16: SRTP, %s', (_, aead) => {
      const buffer = new Uint8Array(RTP.length + 16)
      buffer.set(RTP)
      aead.protect(buffer, 12, RTP.length, RTP_SSRC, RTP_INDEX, undefined)
      expect(toHex(buffer)).toBe(toHex(hex(vector.rtp)))
      expect(aead.unprotect(buffer, 12, RTP_SSRC, RTP_INDEX, undefined)).toBe(true)
      expect(buffer.subarray(0, RTP.length)).toEqual(RTP)
    })

    it('sections 16.1.3 and 16.2.3: all is header', () => {
      const aead = new KeystreamRtp(crypto, parameters, keys, cipher, gcm)
      const buffer = new Uint8Array(RTP.length + 16)
      buffer.set(RTP)
      aead.protect(buffer, RTP.length, RTP.length, RTP_SSRC, RTP_INDEX, undefined)
      expect(toHex(buffer.subarray(RTP.length))).toBe(toHex(hex(vector.taggedRtp)))
    })

    it('section 17: SRTCP', () => {
      const aead = new AeadRtcp(crypto, parameters, keys)
      const buffer = new Uint8Array(RTCP.length + 20)
      buffer.set(RTCP)
      aead.protect(buffer, RTCP.length, RTCP_SSRC, RTCP_INDEX)
      expect(toHex(buffer)).toBe(toHex(hex(vector.rtcp)))
      expect(aead.unprotect(buffer, RTCP_SSRC, 0x8000_0000 + RTCP_INDEX)).toBe(true)
      expect(buffer.subarray(0, RTCP.length)).toEqual(RTCP)
    })

    it('sections 17.3 and 17.4: SRTCP that is tagged only', () => {
      const aead = new AeadRtcp(crypto, parameters, keys)
      const packet = new Uint8Array([...RTCP, ...hex(vector.taggedRtcp)])
      expect(aead.unprotect(packet, RTCP_SSRC, RTCP_INDEX)).toBe(true)
      expect(packet.subarray(0, RTCP.length)).toEqual(RTCP)
      packet[20]! ^= 1
      expect(aead.unprotect(packet, RTCP_SSRC, RTCP_INDEX)).toBe(false)
    })
  })
})
