import { nativeCrypto, portableCrypto } from '@str0m/crypto'
import { describe, expect, it } from 'vitest'
import { CounterBlocks } from '../src/counter-blocks.ts'
import { deriveKey, deriveSessionKeys } from '../src/key-derivation.ts'
import { Keystream } from '../src/keystream.ts'
import { profileParameters } from '../src/profile.ts'

import { hex, toHex } from './support.ts'

const PROVIDERS = [nativeCrypto(), portableCrypto()]

describe.each(PROVIDERS)('$name', (crypto) => {
  it('RFC 3711 appendix B.3: key derivation', () => {
    const keys = deriveSessionKeys(
      crypto,
      profileParameters('AES_CM_128_HMAC_SHA1_80'),
      hex('E1F97A0D3E018BE0D64FA32C06DE4139'),
      hex('0EC675AD498AFEEBB6960B3AABE6'),
      'rtp',
    )
    expect(toHex(keys.cipherKey)).toBe('c61e7a93744f39ee10734afe3ff7a087')
    expect(toHex(keys.salt)).toBe('30cbbc08863d8c85d49db34a9ae1')
    // the vector's key of 94 bytes; HMAC-SHA1 takes the first 20
    const prf = crypto.aesBlocks(hex('E1F97A0D3E018BE0D64FA32C06DE4139'))
    const whole = deriveKey(prf, hex('0EC675AD498AFEEBB6960B3AABE6'), 1, 94)
    expect(toHex(whole)).toBe(
      `cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175578ef7227098
       6371c10c9a369ac2f94a8c5fbcdddc256d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2`.replaceAll(
        /\s/g,
        '',
      ),
    )
    expect(keys.authKey).toEqual(whole.slice(0, 20))
  })

  it('RFC 3711 appendix B.2: keystream', () => {
    const cipher = crypto.aesBlocks(hex('2B7E151628AED2A6ABF7158809CF4F3C'))
    const keystream = new Keystream(cipher, new CounterBlocks('cm', hex('F0F1F2F3F4F5F6F7F8F9FAFBFCFD')))
    const bytes = keystream.of(0, 0, 65_282, undefined)
    expect(keystream.offset).toBe(0)
    expect(toHex(bytes.subarray(0, 48))).toBe(
      'e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0',
    )
    expect(toHex(bytes.subarray(16 * 0xfeff, 16 * 0xff02))).toBe(
      'ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44',
    )
  })

  it('RFC 6188 section 7.1: keystream of AES-256', () => {
    const cipher = crypto.aesBlocks(hex('57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98'))
    const keystream = new Keystream(cipher, new CounterBlocks('cm', hex('f0f1f2f3f4f5f6f7f8f9fafbfcfd')))
    const bytes = keystream.of(0, 0, 65_282, undefined)
    expect(toHex(bytes.subarray(0, 48))).toBe(
      '92bdd28a93c3f52511c677d08b5515a49da71b2378a854f67050756ded165bac63c4868b7096d88421b563b8c94c9a31',
    )
    expect(toHex(bytes.subarray(16 * 0xfeff, 16 * 0xff02))).toBe(
      'cea518c90fd91ced9cbb18c078a547113dbc4814f4da5f00a08772b63c6a046d6eb246913062a16891433e97dd01a57f',
    )
  })

  it('RFC 6188 section 7.2: key derivation with AES-256, as AEAD_AES_256_GCM has it (RFC 7714 section 11)', () => {
    const prf = crypto.aesBlocks(hex('f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6'))
    const salt = hex('3b04803de51ee7c96423ab5b78d2')
    expect(toHex(deriveKey(prf, salt, 0, 32))).toBe(
      '5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4',
    )
    expect(toHex(deriveKey(prf, salt, 2, 14))).toBe('fa31791685ca444a9e07c6c64e93')
    expect(toHex(deriveKey(prf, salt, 1, 20))).toBe('fd9c32d39ed5fbb5a9dc96b30818454d1313dc05')
  })
})
