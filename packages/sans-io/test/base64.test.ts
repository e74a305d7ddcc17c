import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromBase64, fromBase64Url, toBase64, toBase64Url } from '../src/index.ts'

const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))

describe('base64', () => {
  it('of RFC 4648 section 10', () => {
    const vectors = ['', 'Zg==', 'Zm8=', 'Zm9v', 'Zm9vYg==', 'Zm9vYmE=', 'Zm9vYmFy']
    vectors.forEach((text, length) => {
      const bytes = utf8('foobar'.slice(0, length))
      expect(toBase64(bytes)).toBe(text)
      expect(fromBase64(text)).toEqual(bytes)
      const bare = text.replaceAll('=', '')
      expect(fromBase64(bare)).toEqual(bytes)
      expect(toBase64Url(bytes)).toBe(bare)
      expect(fromBase64Url(text)).toEqual(bytes)
    })
  })

  it('is what Buffer writes, and reads what Buffer writes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const buffer = Buffer.from(bytes)
        expect(toBase64(bytes)).toBe(buffer.toString('base64'))
        expect(toBase64Url(bytes)).toBe(buffer.toString('base64url'))
        expect(fromBase64(buffer.toString('base64'))).toEqual(bytes)
        expect(fromBase64Url(buffer.toString('base64url'))).toEqual(bytes)
      }),
    )
  })

  it('of many bytes at once', () => {
    for (const length of [3071, 3072, 3073, 200_000]) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 151) >> 3)
      expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'))
      expect(fromBase64(toBase64(bytes))).toEqual(bytes)
    }
  })

  it('keeps the two alphabets apart', () => {
    const bytes = Uint8Array.of(0xfb, 0xff)
    expect(toBase64(bytes)).toBe('+/8=')
    expect(toBase64Url(bytes)).toBe('-_8')
    expect(fromBase64('-_8')).toBeUndefined()
    expect(fromBase64Url('+/8')).toBeUndefined()
  })

  it('is told from what is none', () => {
    for (const text of ['Z', 'Zm9vY', 'Zm 9v', 'Zm\n9v', 'Z=g=', 'Zm9é', 'Zm9\u{1F600}', 'Zm9\0']) {
      expect(fromBase64(text), `text ${JSON.stringify(text)}`).toBeUndefined()
      expect(fromBase64Url(text), `text ${JSON.stringify(text)}`).toBeUndefined()
    }
    // characters that are in no alphabet, one by one
    for (let code = 0; code < 0x300; code++) {
      const character = String.fromCharCode(code)
      expect(fromBase64(`AAA${character}`) !== undefined, `character ${code}`).toBe(
        /[A-Za-z0-9+/=]/.test(character),
      )
      expect(fromBase64Url(`AAA${character}`) !== undefined, `character ${code}`).toBe(
        /[\w=-]/.test(character),
      )
    }
  })
})
