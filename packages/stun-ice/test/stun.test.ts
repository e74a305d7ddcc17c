import { readFileSync } from 'node:fs'
import { nativeCrypto } from '@str0m/crypto'
import { ByteWriter, encodeUtf8, toHex } from '@str0m/sans-io'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  isStun,
  parseStun,
  type ReceivedStun,
  type StunMessage,
  stunUsername,
  verifyStunIntegrity,
  writeStun,
} from '../src/index.ts'
import { RFC5769 } from './rfc5769.ts'

const crypto = nativeCrypto()
const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.trim(), 'hex'))
const password = (text: string): ReturnType<typeof crypto.hmac> => crypto.hmac('sha1', encodeUtf8(text))
const fixture = (name: string): Uint8Array =>
  fromHex(readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8'))

function parsed(bytes: Uint8Array): ReceivedStun {
  const message = parseStun(bytes)
  if (typeof message === 'string') throw new Error(message)
  return message
}

/** A request with one more attribute, as bytes. */
function withAttribute(type: number, value: Uint8Array, declared = value.length): Uint8Array {
  const writer = new ByteWriter()
  const padded = value.length + (-value.length & 3)
  writer
    .u16(1)
    .u16(4 + padded)
    .u32(0x2112_a442)
    .zeros(12)
  writer
    .u16(type)
    .u16(declared)
    .bytes(value)
    .zeros(-value.length & 3)
  return writer.finish()
}

describe('the vectors of RFC 5769', () => {
  const hmac = password('VOkJxbRl1RmTxUk/WvJxBt')

  test('2.1: request', () => {
    const message = parsed(fromHex(RFC5769.request))
    expect(message).toMatchObject({
      class: 'request',
      method: 1,
      software: 'STUN test client',
      username: 'evtj:h6vY',
      priority: 0x6e00_01ff,
      iceControlled: 0x932f_f9b1_5126_3b36n,
      fingerprint: true,
    })
    expect(toHex(message.transactionId)).toBe('b7e7a701bc34d686fa87dfae')
    expect(verifyStunIntegrity(message, hmac)).toBe(true)
    // the slice of a Buffer, as sockets hand them out, shares its memory
    const bytes = fromHex(RFC5769.request)
    const buffer = Buffer.from(bytes)
    expect(verifyStunIntegrity(parsed(buffer), hmac)).toBe(true)
    expect(buffer.equals(bytes)).toBe(true)
    expect(verifyStunIntegrity(message, password('VOkJxbRl1RmTxUk/WvJxBu'))).toBe(false)
  })

  test.each([
    ['2.2: IPv4 response', RFC5769.ipv4Response, '192.0.2.1'],
    ['2.3: IPv6 response', RFC5769.ipv6Response, '2001:db8:1234:5678:11:2233:4455:6677'],
  ])('%s', (_name, hex, address) => {
    const message = parsed(fromHex(hex))
    expect(message).toMatchObject({
      class: 'success',
      software: 'test vector',
      xorMappedAddress: { address, port: 32_853 },
    })
    expect(verifyStunIntegrity(message, hmac)).toBe(true)
  })

  test('2.4: long-term credentials', () => {
    const message = parsed(fromHex(RFC5769.longTermRequest))
    expect(message).toMatchObject({
      username: 'マトリックス',
      nonce: 'f//499k954d6OL34oL9FSTvy64sA',
      realm: 'example.org',
      fingerprint: false,
    })
    const key = crypto.hash('md5', encodeUtf8('マトリックス:example.org:TheMatrIX'))
    expect(verifyStunIntegrity(message, crypto.hmac('sha1', key))).toBe(true)
  })

  test('what is written again is the same but for the padding', () => {
    // the samples pad with spaces; what is written pads with zeros and orders by itself
    const message = parsed(fromHex(RFC5769.ipv6Response))
    const again = parsed(writeStun(message, { integrity: hmac }))
    expect(again).toMatchObject({ software: message.software, xorMappedAddress: message.xorMappedAddress })
    expect(verifyStunIntegrity(again, hmac)).toBe(true)
  })
})

describe('checks of browsers', () => {
  test('Chromium', () => {
    const message = parsed(fixture('chromium-stun-binding-request.hex'))
    expect(message).toMatchObject({ class: 'request', username: 'abcd:pAaN', fingerprint: true })
    expect(message.iceControlling).toBe(0x1d1a_7d89_b19d_4f34n)
    // NETWORK-COST
    expect(message.others?.map(({ type }) => type)).toEqual([0xc057])
    expect(message.notUnderstood).toEqual([])
    expect(stunUsername(message.bytes)).toBe('abcd')
  })

  test('Firefox', () => {
    const message = parsed(fixture('firefox-stun-binding-request.hex'))
    expect(message).toMatchObject({ username: 'abcd:b812071c', useCandidate: true, priority: 0x6e7e_00ff })
    expect(stunUsername(message.bytes)).toBe('abcd')
  })
})

const address = fc.record({
  address: fc.oneof(fc.ipV4(), fc.constantFrom('2001:db8::1', '::1', 'fe80::1:2:3', 'ff00:1:2:3:4:5:6:7')),
  port: fc.integer({ min: 0, max: 65_535 }),
})
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined })
const label = optional(fc.string({ maxLength: 40, unit: 'grapheme' }))
const message: fc.Arbitrary<StunMessage> = fc.record({
  class: fc.constantFrom('request', 'indication', 'success', 'error'),
  // more would not be STUN by the first byte, RFC 7983
  method: fc.integer({ min: 0, max: 0xff }),
  transactionId: fc.uint8Array({ minLength: 12, maxLength: 12 }),
  username: label,
  software: label,
  realm: label,
  nonce: label,
  mappedAddress: optional(address),
  xorMappedAddress: optional(address),
  alternateServer: optional(address),
  errorCode: optional(
    fc.record({ code: fc.integer({ min: 300, max: 699 }), reason: fc.string({ maxLength: 20 }) }),
  ),
  unknownAttributes: optional(fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 16 })),
  priority: optional(fc.integer({ min: 0, max: 0xffff_ffff })),
  useCandidate: fc.constantFrom(true, undefined),
  iceControlled: optional(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  iceControlling: optional(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
})

describe('every message', () => {
  const hmac = password('a password of 22 bytes')

  test('that is written is read as it was', () => {
    fc.assert(
      fc.property(message, fc.boolean(), fc.boolean(), (message, integrity, fingerprint) => {
        const bytes = writeStun(message, { fingerprint, ...(integrity ? { integrity: hmac } : {}) })
        const again = parsed(bytes)
        expect(again).toMatchObject(
          Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined)),
        )
        expect(again.fingerprint).toBe(fingerprint)
        expect(verifyStunIntegrity(again, hmac)).toBe(integrity)
        expect(isStun(bytes)).toBe(true)
      }),
    )
  })

  test('that could not be read again is not written', () => {
    const binding = { class: 'request', method: 1, transactionId: new Uint8Array(12) } as const
    const wrong: readonly [Partial<StunMessage>, string][] = [
      [{ transactionId: new Uint8Array(16) }, 'invalid-message'],
      [{ method: 4096 }, 'invalid-message'],
      [{ errorCode: { code: 200, reason: '' } }, 'invalid-message'],
      [{ software: 'x'.repeat(65_536) }, 'invalid-message'],
      [{ others: [{ type: 0x8fff, value: new Uint8Array(65_532) }] }, 'invalid-message'],
      [{ xorMappedAddress: { address: 'host.example', port: 1 } }, 'invalid-address'],
    ]
    for (const [change, code] of wrong) {
      expect(() => writeStun({ ...binding, ...change })).toThrow(expect.objectContaining({ code }))
    }
    const longest = { type: 0x8fff, value: new Uint8Array(65_532 - 4 - 8) }
    expect(parsed(writeStun({ ...binding, others: [longest] })).others).toEqual([longest])
  })

  test('whose bit is flipped is not verified', () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.integer({ min: 0, max: 7 }), (message, at, bit) => {
        const bytes = writeStun({ ...message, useCandidate: true }, { integrity: hmac, fingerprint: false })
        bytes[at % bytes.length]! ^= 1 << bit
        const again = parseStun(bytes)
        expect(typeof again === 'string' || !verifyStunIntegrity(again, hmac)).toBe(true)
      }),
    )
  })
})

describe('S11: short and garbled datagrams', () => {
  const samples = [
    ...Object.values(RFC5769).map(fromHex),
    fixture('chromium-stun-binding-request.hex'),
    fixture('firefox-stun-binding-request.hex'),
  ]

  test('every length from 0 to 64 of every sample is a fault, and nothing is thrown', () => {
    for (const sample of samples) {
      for (let length = 0; length <= 64; length++) {
        const cut = sample.slice(0, length)
        expect(parseStun(cut), `length ${length}`).toBeTypeOf('string')
        stunUsername(cut)
        // with a header that is true, it may be read
        if (length >= 20) {
          cut[2] = 0
          cut[3] = length - 20
          parseStun(cut)
          stunUsername(cut)
        }
        parseStun(new Uint8Array(length))
        parseStun(new Uint8Array(length).fill(0xff))
      }
    }
  })
})

describe('S15: attributes that lie', () => {
  test('random bytes behind a header', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 0x3fff }), (body, type) => {
        const length = body.length & ~3
        const writer = new ByteWriter().u16(type).u16(length).u32(0x2112_a442).zeros(12)
        const bytes = writer.bytes(body.subarray(0, length)).finish()
        const result = parseStun(bytes)
        stunUsername(bytes)
        expect(typeof result !== 'string' && verifyStunIntegrity(result, password('x'))).toBe(false)
      }),
      { numRuns: 2000 },
    )
  })

  test('mutations of samples', () => {
    const samples = [fromHex(RFC5769.request), fixture('chromium-stun-binding-request.hex')]
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (sample, changes) => {
          const bytes = sample.slice()
          for (const [at, value] of changes) bytes[at % bytes.length] = value
          const result = parseStun(bytes)
          const isSame = toHex(bytes) === toHex(sample)
          expect(typeof result === 'string' || isSame || !result.fingerprint).toBe(true)
        },
      ),
      { numRuns: 2000 },
    )
  })

  const malformed: [string, number, number[]][] = [
    ['an empty PRIORITY', 0x24, []],
    ['a tie-breaker of 4 bytes', 0x802a, [1, 2, 3, 4]],
    ['a tie-breaker of 12 bytes', 0x8029, Array<number>(12).fill(1)],
    ['an empty XOR-MAPPED-ADDRESS', 0x20, []],
    ['an address of an unknown family', 0x20, [0, 3, 0, 1, 1, 2, 3, 4]],
    ['an IPv6 address of 4 bytes', 0x01, [0, 2, 0, 1, 1, 2, 3, 4]],
    ['an IPv4 address of 16 bytes', 0x8023, [0, 1, 0, 1, ...Array<number>(16).fill(1)]],
    ['ERROR-CODE without a code', 0x09, [0, 0]],
    ['ERROR-CODE 200', 0x09, [0, 0, 2, 0]],
    ['ERROR-CODE 4 / 100', 0x09, [0, 0, 4, 100]],
    ['UNKNOWN-ATTRIBUTES of an odd length', 0x0a, [0, 1, 0]],
    ['a USERNAME that is no UTF-8', 0x06, [0xff, 0xfe]],
    ['MESSAGE-INTEGRITY of 4 bytes', 0x08, [1, 2, 3, 4]],
    ['FINGERPRINT of 2 bytes', 0x8028, [1, 2]],
  ]
  test.each(malformed)('%s', (_name, type, value) => {
    expect(parseStun(withAttribute(type, Uint8Array.from(value)))).toBe('attribute')
  })

  test('a length beyond the message, and a header that lies', () => {
    expect(parseStun(withAttribute(0x8022, new Uint8Array(4), 5))).toBe('length')
    expect(parseStun(withAttribute(0x8022, new Uint8Array(4), 0xffff))).toBe('length')
    const bytes = fromHex(RFC5769.request)
    bytes[3]! += 4
    expect(parseStun(bytes)).toBe('length')
    bytes[3]! -= 3
    expect(parseStun(bytes)).toBe('length')
  })

  test('a wrong FINGERPRINT', () => {
    const bytes = fromHex(RFC5769.request)
    bytes[bytes.length - 1]! ^= 1
    expect(parseStun(bytes)).toBe('fingerprint')
  })

  test('an attribute after FINGERPRINT', () => {
    const writer = new ByteWriter().bytes(
      writeStun({ class: 'request', method: 1, transactionId: new Uint8Array(12) }),
    )
    const bytes = writer.u16(0x8022).u16(0).finish()
    bytes[3]! += 4
    // the fingerprint covers the length: only one made for it gets this far
    expect(parseStun(bytes)).toBe('fingerprint')
  })

  test('what follows MESSAGE-INTEGRITY is ignored', () => {
    const hmac = password('a password of 22 bytes')
    const plain = { class: 'request', method: 1, transactionId: new Uint8Array(12) } as const
    const writer = new ByteWriter().bytes(writeStun(plain, { integrity: hmac, fingerprint: false }))
    const bytes = writer.u16(0x25).u16(0).finish()
    bytes[3]! += 4
    const message = parsed(bytes)
    expect(message.useCandidate).toBeUndefined()
    expect(verifyStunIntegrity(message, hmac)).toBe(true)
  })

  test('types that must be understood are listed, 16 at most; more than 64 attributes are refused', () => {
    const many = (count: number, type: number): Uint8Array => {
      const writer = new ByteWriter()
        .u16(1)
        .u16(count * 4)
        .u32(0x2112_a442)
        .zeros(12)
      for (let i = 0; i < count; i++) writer.u16(type + i).u16(0)
      return writer.finish()
    }
    expect(parsed(many(40, 0x100)).notUnderstood.length).toBe(16)
    expect(parsed(many(64, 0xc100)).others?.length).toBe(64)
    expect(parseStun(many(65, 0xc100))).toBe('attribute')
  })

  test('of several attributes of one type the first counts', () => {
    const writer = new ByteWriter().u16(1).u16(16).u32(0x2112_a442).zeros(12)
    const bytes = writer.u16(0x24).u16(4).u32(7).u16(0x24).u16(4).u32(8).finish()
    expect(parsed(bytes).priority).toBe(7)
  })
})

describe('S17: IPv4-mapped addresses', () => {
  test('come out as what they stand for', () => {
    const mapped = Uint8Array.from([0, 2, 0, 80, ...Array<number>(10).fill(0), 0xff, 0xff, 127, 0, 0, 1])
    expect(parsed(withAttribute(0x01, mapped)).mappedAddress).toEqual({ address: '127.0.0.1', port: 80 })
  })
})

describe('the username of a request', () => {
  test('is of a Binding request alone, and has a colon', () => {
    const of = (fields: Partial<StunMessage>): string | undefined =>
      stunUsername(writeStun({ class: 'request', method: 1, transactionId: new Uint8Array(12), ...fields }))
    expect(of({ username: 'a:b:c' })).toBe('a')
    expect(of({ username: 'abc' })).toBeUndefined()
    expect(of({})).toBeUndefined()
    expect(of({ class: 'success', username: 'a:b' })).toBeUndefined()
    expect(of({ method: 3, username: 'a:b' })).toBeUndefined()
    expect(stunUsername(new Uint8Array(3))).toBeUndefined()
  })
})
