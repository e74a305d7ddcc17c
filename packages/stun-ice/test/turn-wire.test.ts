import { nativeCrypto } from '@str0m/crypto'
import { concatBytes, encodeUtf8, SeededRandom, toBase64, toHex } from '@str0m/sans-io'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readChannelData, writeChannelData } from '../src/channel-data.ts'
import { parseStun, type ReceivedStun, TurnFraming, verifyStunIntegrity, writeStun } from '../src/index.ts'
import { LongTermCredentials } from '../src/long-term-credentials.ts'
import { readDataIndication, type TurnAttributes, writeSendIndication } from '../src/turn-wire.ts'
import { at } from './support.ts'
import { RFC5769 } from './rfc5769.ts'
import { RFC8489 } from './rfc8489.ts'

const crypto = nativeCrypto()
const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))
const ALGORITHMS = { md5: [0, 1, 0, 0], sha256: [0, 2, 0, 0], unknown: [0, 9, 0, 3, 1, 2, 3, 0] } as const

function parsed(bytes: Uint8Array): ReceivedStun {
  const message = parseStun(bytes)
  if (typeof message === 'string') throw new Error(message)
  return message
}

interface Asked {
  readonly realm?: string | Uint8Array | undefined
  readonly nonce?: string | undefined
  readonly algorithms?: readonly (keyof typeof ALGORITHMS)[]
}

function challenge({ realm, nonce, algorithms }: Asked): TurnAttributes {
  return {
    realm: typeof realm === 'string' ? encodeUtf8(realm) : realm,
    nonce: nonce === undefined ? undefined : encodeUtf8(nonce),
    passwordAlgorithms: algorithms && Uint8Array.from(algorithms.flatMap((name) => ALGORITHMS[name])),
    lifetime: undefined,
    relayedAddresses: [],
    incomprehensible: false,
  }
}

/** A nonce that tells of features: 0x80 password algorithms, 0x40 anonymity. */
const nonceOf = (features: number): string => `obMatJos2${toBase64(Uint8Array.of(features, 0, 0))}nonce`

/** The types of the attributes that requests have after a challenge, or the verdict where it is another one than `retry`. */
function afterChallenges(...asked: readonly (readonly [401 | 438, Asked])[]): unknown {
  const credentials = new LongTermCredentials(crypto, 'user', 'pass')
  for (const [code, fields] of asked) {
    const verdict = credentials.accept(code, challenge(fields), credentials.authentication)
    if (verdict !== 'retry') return verdict
  }
  const { attributes, hmac } = credentials.authentication!
  return [...attributes.map(({ type }) => type.toString(16)), hmac.length]
}

describe('long-term credentials', () => {
  test('the key of RFC 8489 section 9.2.2', () => {
    const credentials = new LongTermCredentials(crypto, 'user', 'pass')
    expect(credentials.accept(401, challenge({ realm: 'realm', nonce: 'x' }), undefined)).toBe('retry')
    const expected = crypto.hmac('sha1', fromHex('8493fbc53ba582fb4c044c456bdc40eb')).sign(Uint8Array.of(1))
    expect(credentials.authentication!.hmac.sign(Uint8Array.of(1))).toEqual(expected)
  })

  test('the vector of RFC 5769 section 2.4: MD5', () => {
    const credentials = new LongTermCredentials(crypto, RFC8489.username, RFC8489.password)
    credentials.accept(401, challenge({ realm: 'example.org', nonce: 'x' }), undefined)
    const message = parsed(fromHex(RFC5769.longTermRequest))
    expect(verifyStunIntegrity(message, credentials.authentication!.hmac)).toBe(true)
  })

  test('the vector of RFC 8489 appendix B.1: SHA-256 and USERHASH', () => {
    const credentials = new LongTermCredentials(crypto, RFC8489.username, RFC8489.password)
    const { realm } = RFC8489
    credentials.accept(401, challenge({ realm, nonce: nonceOf(0xc0), algorithms: ['sha256'] }), undefined)
    const { hmac, attributes } = credentials.authentication!
    const bytes = fromHex(RFC8489.request)
    // the length in its header has the header in it, also where the code is made
    expect(hmac.sign(bytes.subarray(0, 120))).toEqual(bytes.subarray(124))
    expect(toHex(attributes[0]!.value)).toBe(toHex(bytes.subarray(24, 56)))
  })

  test('what a challenge makes of the next request', () => {
    const plain = { realm: 'r', nonce: 'n' }
    const modern = { realm: 'r', nonce: nonceOf(0x80), algorithms: ['sha256', 'md5'] } as const
    const cases: [readonly (readonly [401 | 438, Asked])[], unknown][] = [
      [[[401, plain]], ['6', '14', '15', 20]],
      [[[401, modern]], ['6', '14', '15', '8002', '1d', 32]],
      [[[401, { ...modern, nonce: nonceOf(0xc0) }]], ['1e', '14', '15', '8002', '1d', 32]],
      [[[401, { realm: 'r', nonce: nonceOf(0x40) }]], ['1e', '14', '15', 20]],
      [[[401, { ...modern, algorithms: ['unknown', 'md5'] }]], ['6', '14', '15', '8002', '1d', 32]],
      [[[401, { ...modern, algorithms: ['unknown'] }]], 'refused'],
      [[[401, { ...modern, algorithms: [] }]], 'refused'],
      // announced, and taken out on the way
      [[[401, { realm: 'r', nonce: nonceOf(0x80) }]], 'refused'],
      [[[401, { nonce: 'n' }]], 'malformed'],
      [[[401, { realm: 'r' }]], 'malformed'],
      [[[401, { realm: 'r'.repeat(764), nonce: 'n' }]], 'malformed'],
      [[[401, { realm: 'r', nonce: 'n'.repeat(764) }]], 'malformed'],
      [[[401, { realm: Uint8Array.of(0xff), nonce: 'n' }]], 'refused'],
      [[[438, plain]], 'malformed'],
      // the same realm again: it does not take the password
      [
        [
          [401, plain],
          [401, { ...plain, nonce: 'other' }],
        ],
        'refused',
      ],
      [
        [
          [401, plain],
          [401, { ...plain, realm: 's' }],
        ],
        ['6', '14', '15', 20],
      ],
      [
        [
          [401, plain],
          [438, { nonce: 'other' }],
        ],
        ['6', '14', '15', 20],
      ],
      [
        [
          [401, plain],
          [438, modern],
        ],
        ['6', '14', '15', '8002', '1d', 32],
      ],
      // bids down
      [
        [
          [401, modern],
          [438, { nonce: 'n' }],
        ],
        'refused',
      ],
      [
        [
          [401, modern],
          [401, { realm: 's', nonce: 'n' }],
        ],
        'refused',
      ],
      [
        [
          [401, { ...modern, nonce: nonceOf(0xc0) }],
          [438, modern],
        ],
        'refused',
      ],
    ]
    for (const [asked, expected] of cases)
      expect([asked, afterChallenges(...asked)]).toEqual([asked, expected])
  })

  test('text is prepared as RFC 8265 has it, and the realm loses its quotes', () => {
    const key = (username: string, password: string, realm: string): string => {
      const credentials = new LongTermCredentials(crypto, username, password)
      credentials.accept(401, challenge({ realm, nonce: 'n' }), undefined)
      return toHex(credentials.authentication!.hmac.sign(new Uint8Array(0)))
    }
    expect(key('e\u0301', 'a\u00a0b', '"r"\0')).toBe(key('\u00e9', 'a b', 'r'))
    expect(key('user', 'pass', 'r')).not.toBe(key('user', 'Pass', 'r'))
  })
})

describe('MESSAGE-INTEGRITY-SHA256', () => {
  const hmac = crypto.hmac('sha256', encodeUtf8('key'))
  const sha1 = crypto.hmac('sha1', encodeUtf8('key'))
  const message = { class: 'success', method: 3, transactionId: new Uint8Array(12), nonce: 'n' } as const

  test('is written and verified, and what follows it is not read', () => {
    const bytes = writeStun(message, { integrity: hmac })
    expect(verifyStunIntegrity(parsed(bytes), hmac)).toBe(true)
    expect(verifyStunIntegrity(parsed(bytes), sha1)).toBe(false)
    expect(verifyStunIntegrity(parsed(bytes), crypto.hmac('sha256', encodeUtf8('other')))).toBe(false)
    const plain = writeStun(message, { integrity: hmac, fingerprint: false })
    const late = concatBytes([plain, Uint8Array.of(0, 0x14, 0, 4, 0x66, 0x6f, 0x72, 0x67)])
    late[3] = late.length - 20
    expect(parsed(late)).toMatchObject({ nonce: 'n', realm: undefined, integritySha256At: 28 })
    expect(verifyStunIntegrity(parsed(late), hmac)).toBe(true)
  })

  test('that is shortened is none, or no attribute', () => {
    const bytes = writeStun(message, { integrity: hmac, fingerprint: false })
    for (let length = 0; length <= 32; length++) {
      const cut = bytes.slice(0, 32 + length + (-length & 3))
      cut[31] = length
      cut[3] = cut.length - 20
      const read = parseStun(cut)
      if (length % 4 !== 0 || length < 16) expect(read).toBe('attribute')
      else expect(verifyStunIntegrity(parsed(cut), hmac)).toBe(length === 32)
    }
  })
})

describe('S11: every length', () => {
  test('of ChannelData', () => {
    const whole = writeChannelData(0x4001, Uint8Array.of(1, 2, 3, 4, 5), false)
    for (let length = 4; length <= whole.length; length++) {
      expect(readChannelData(whole.slice(0, length))).toEqual(
        length === 9 ? Uint8Array.of(1, 2, 3, 4, 5) : undefined,
      )
    }
    expect(readChannelData(writeChannelData(0x4001, Uint8Array.of(1), true))).toEqual(Uint8Array.of(1))
    expect(writeChannelData(0x4001, Uint8Array.of(1), true).length).toBe(8)
  })

  test.each(['198.51.100.2', '2001:db8::2'])('of an indication to %s', (address) => {
    const peer = at(address, 6000)
    for (let length = 0; length < 40; length++) {
      const data = new Uint8Array(length).fill(9)
      const bytes = writeSendIndication(peer, data, crypto.randomBytes(12))
      // it has what a Data indication has
      expect(readDataIndication(bytes)).toEqual({ peer, data })
      expect(parseStun(bytes)).toMatchObject({ class: 'indication', method: 6 })
      for (let cut = 20; cut < bytes.length; cut++) {
        expect(readDataIndication(bytes.slice(0, cut))).toBe('malformed')
        const short = bytes.slice(0, cut)
        short[2] = (cut - 20) >>> 8
        short[3] = cut - 20
        expect(['malformed', 'no-data']).toContain(readDataIndication(short))
      }
    }
  })
})

describe('a stream', () => {
  const stun = writeSendIndication(at('192.0.2.1', 5), new Uint8Array(30), new Uint8Array(12))
  const data = (length: number): Uint8Array =>
    writeChannelData(0x4fff, new Uint8Array(length).fill(length), true)

  test('is cut into its messages, however its parts fall', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(fc.integer({ min: -1, max: 300 }), { maxLength: 20 }),
        (seed, lengths) => {
          const messages = lengths.map((length) => (length < 0 ? stun : data(length)))
          const whole = concatBytes(messages)
          const random = new SeededRandom(seed)
          const framing = new TurnFraming()
          const read: Uint8Array[] = []
          for (let from = 0; from < whole.length;) {
            const to = Math.min(whole.length, from + random.integer(random.chance(0.5) ? 5 : 500))
            read.push(...framing.read(whole.slice(from, to)))
            from = to
          }
          expect(framing.broken).toBe(false)
          expect(read).toEqual(messages)
        },
      ),
    )
  })

  test('of the longest messages, byte by byte', () => {
    const framing = new TurnFraming()
    const long = data(65_535)
    const read: Uint8Array[] = []
    for (const byte of long) read.push(...framing.read(Uint8Array.of(byte)))
    read.push(...framing.read(concatBytes([stun, long, stun])))
    expect(read).toEqual([long, stun, long, stun])
  })

  test.each([
    ['RTP', [0x80, 0, 0, 1]],
    ['a reserved channel', [0x50, 0, 0, 1]],
    ['a length that is no multiple of 4', [0, 1, 0, 2]],
    ['another cookie', [0, 1, 0, 0, 1, 2, 3, 4]],
  ])('that has %s is broken, and stays so', (_name, bytes) => {
    const framing = new TurnFraming()
    expect(framing.read(concatBytes([stun, Uint8Array.from(bytes)]))).toEqual([stun])
    expect(framing.broken).toBe(true)
    expect(framing.read(stun)).toEqual([])
  })

  test('of any bytes ends or waits', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 20 }), (parts) => {
        const framing = new TurnFraming()
        for (const part of parts) {
          for (const message of framing.read(part)) expect(message.length).toBeGreaterThanOrEqual(4)
        }
      }),
    )
  })
})
