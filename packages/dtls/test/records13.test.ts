import { type Aead, type CryptoProvider, portableCrypto } from '@str0m/crypto'
import { SeededRandom } from '@str0m/sans-io'
import * as fc from 'fast-check'
import { createCipheriv, getCiphers } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { RECORD_HEADROOM, RECORD_TAILROOM } from '@str0m/dtls'
import { CIPHER_SUITES_13, type CipherSuite13 } from '../src/cipher-suites13.ts'
import { TrafficSecret } from '../src/key-schedule13.ts'
import { FORGERIES_MAX, ReadEpoch13, reconstruct, WriteEpoch13 } from '../src/record-protection13.ts'
import { ContentType } from '../src/wire/protocol.ts'
import { SEQUENCE_LIMIT } from '../src/wire/record.ts'
import { emptyUnifiedHeader, readUnifiedHeader, writeUnifiedHeader } from '../src/wire/unified-header.ts'
import { sealed } from './scripted13.ts'
import { drain, makeClient, makeServer, seededCrypto, Wire } from './support.ts'

const crypto = seededCrypto(4)
const OPTIONS = { versions: ['DTLS 1.3'] } as const

function secretOf(suite: CipherSuite13, fill = 5): TrafficSecret {
  return new TrafficSecret(crypto, suite, new Uint8Array(suite.hash === 'sha256' ? 32 : 48).fill(fill))
}

function epochs(suite: CipherSuite13, epoch = 3): [WriteEpoch13, ReadEpoch13] {
  const secret = secretOf(suite)
  return [new WriteEpoch13(crypto, secret, epoch), new ReadEpoch13(crypto, secret, epoch)]
}

function open(read: ReadEpoch13, datagram: Uint8Array): string {
  const header = emptyUnifiedHeader()
  return readUnifiedHeader(datagram, 0, header) ? read.open(datagram, header) : 'malformed'
}

/** Bun's node:crypto has none. */
const HAS_CHACHA = getCiphers().includes('chacha20-poly1305')

function encryptByHand(
  suite: CipherSuite13,
  key: Uint8Array,
  nonce: Uint8Array,
  header: Uint8Array,
  inner: Uint8Array,
): Uint8Array {
  if (suite.aead === 'chacha20-poly1305' && !HAS_CHACHA) {
    const out = new Uint8Array(inner.length + 16)
    portableCrypto().aead(suite.aead, key).seal(nonce, header, inner, out, 0)
    return out
  }
  const cipher = createCipheriv(suite.aead as 'aes-128-gcm', key, nonce, { authTagLength: 16 })
  cipher.setAAD(header, { plaintextLength: inner.length })
  return Buffer.concat([cipher.update(inner), cipher.final(), cipher.getAuthTag()])
}

/** RFC 9147 section 4.2.3. */
function maskByHand(suite: CipherSuite13, key: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  if (suite.aead !== 'chacha20-poly1305')
    return createCipheriv(`aes-${key.length * 8}-ecb`, key, null).update(ciphertext)
  if (!HAS_CHACHA) return portableCrypto().chachaBlocks(key).block(ciphertext)
  return createCipheriv('chacha20', key, ciphertext).update(Buffer.alloc(16))
}

/** A record by the book, in another form of header than ours: 8 bits of number, without a length, padded. */
function byHand(
  suite: CipherSuite13,
  sequence: number,
  inner: Uint8Array,
  form: { sequenceBytes: 1 | 2; hasLength: boolean },
): Uint8Array {
  const secret = secretOf(suite)
  const sealedLength = inner.length + 16
  const number = form.sequenceBytes === 1 ? [sequence & 0xff] : [(sequence >> 8) & 0xff, sequence & 0xff]
  const flags = 0x20 | (form.sequenceBytes === 2 ? 8 : 0) | (form.hasLength ? 4 : 0) | 3
  const header = Buffer.from([
    flags,
    ...number,
    ...(form.hasLength ? [sealedLength >> 8, sealedLength & 0xff] : []),
  ])
  const nonce = Buffer.from(secret.iv())
  for (let i = 0; i < 4; i++) nonce[8 + i]! ^= (sequence >>> (24 - 8 * i)) & 0xff
  const ciphertext = encryptByHand(suite, secret.key(), nonce, header, inner)
  const mask = maskByHand(suite, secret.recordNumberKey(), ciphertext.subarray(0, 16))
  for (let i = 0; i < form.sequenceBytes; i++) header[1 + i]! ^= mask[i]!
  return new Uint8Array(Buffer.concat([header, ciphertext]))
}

describe.each(CIPHER_SUITES_13.map((suite) => [suite.name, suite] as const))('records: %s', (_, suite) => {
  it('are those that one makes by hand', () => {
    const [write] = epochs(suite)
    for (let sequence = 0; sequence < 300; sequence++) {
      const inner = new Uint8Array([
        ...Array(sequence % 40).fill(sequence & 0xff),
        ContentType.applicationData,
      ])
      expect(sealed(write, ContentType.applicationData, inner.subarray(0, -1))).toEqual(
        byHand(suite, sequence, inner, { sequenceBytes: 2, hasLength: true }),
      )
    }
  })

  it('are the same with the portable provider, which reads them too', () => {
    const portable = portableCrypto({ random: new SeededRandom(1).fill })
    const secret = new TrafficSecret(
      portable,
      suite,
      new Uint8Array(suite.hash === 'sha256' ? 32 : 48).fill(5),
    )
    const [write] = epochs(suite)
    const theirs = new WriteEpoch13(portable, secret, 3)
    const read = new ReadEpoch13(portable, secret, 3)
    for (let length = 0; length < 60; length++) {
      const record = sealed(write, ContentType.applicationData, new Uint8Array(length).fill(length))
      expect(sealed(theirs, ContentType.applicationData, new Uint8Array(length).fill(length))).toEqual(record)
      expect(open(read, record)).toBe('opened')
    }
  })

  it('are read in every form of header, padded or not', () => {
    const [, read] = epochs(suite)
    let sequence = 0
    for (const sequenceBytes of [1, 2] as const) {
      for (const hasLength of [true, false]) {
        for (const padding of [0, 1, 100]) {
          const inner = new Uint8Array(4 + padding)
          inner.set([1, 2, 3, ContentType.applicationData])
          const record = byHand(suite, sequence, inner, { sequenceBytes, hasLength })
          expect(open(read, record.slice())).toBe('opened')
          expect([read.type, read.sequence, [...read.plaintext]]).toEqual([23, sequence, [1, 2, 3]])
          expect(open(read, record)).toBe('replayed')
          sequence++
        }
      }
    }
    // padding alone
    expect(
      open(read, byHand(suite, sequence, new Uint8Array(9), { sequenceBytes: 2, hasLength: true })),
    ).toBe('opened')
    expect([read.type, read.plaintext.length]).toEqual([0, 0])
  })

  it('S4: with any bit wrong are refused, and leave the datagram and the window as they were', () => {
    const [write, read] = epochs(suite)
    const genuine = sealed(write, ContentType.handshake, new Uint8Array([9, 8, 7]))
    for (let bit = 0; bit < 8 * genuine.length; bit++) {
      const forged = genuine.slice()
      forged[bit >>> 3]! ^= 1 << (bit & 7)
      const before = forged.slice()
      expect(['rejected', 'malformed'], `bit ${bit}`).toContain(open(read, forged))
      expect(forged).toEqual(before)
    }
    expect(read.forgeries).toBeGreaterThan(100)
    expect(open(read, genuine)).toBe('opened')
  })

  it('end with the last that the key may protect', () => {
    const [write] = epochs(suite)
    write.advanceTo(suite.recordsMax - 1)
    expect([write.exhausted, write.isWorn]).toEqual([false, true])
    sealed(write, ContentType.applicationData, new Uint8Array(1))
    expect(write.exhausted).toBe(true)
    expect(() => sealed(write, 23, new Uint8Array(1))).toThrow(expect.objectContaining({ code: 'internal' }))
  })

  it('are not tried any more after too many forgeries', () => {
    const [write, read] = epochs(suite)
    read.forgeries = FORGERIES_MAX
    expect(open(read, sealed(write, 23, new Uint8Array(1)))).toBe('rejected')
  })

  it('far on are read too, whatever of them was lost', () => {
    const [write, read] = epochs(suite)
    for (const sequence of [5, 200, 32_000, 64_000, 96_000]) {
      write.advanceTo(sequence)
      expect(open(read, sealed(write, 23, new Uint8Array([1])))).toBe('opened')
      expect(read.sequence).toBe(sequence)
    }
  })
})

describe('the sequence number', () => {
  it('is the closest to what is expected, as a search finds it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 40 }),
        fc.nat(0xffff),
        fc.boolean(),
        (expected, value, isShort) => {
          const bits = isShort ? 8 : 16
          const size = 2 ** bits
          const low = value % size
          const found = reconstruct(low, bits, expected)
          expect(found % size).toBe(low)
          expect(found).toBeGreaterThanOrEqual(0)
          const others = [found - size, found + size].filter((other) => other >= 0)
          for (const other of others) {
            expect(Math.abs(found - expected)).toBeLessThanOrEqual(Math.abs(other - expected))
          }
        },
      ),
    )
  })

  it('past the last one is refused, and so is one that is further ahead than its bits tell', () => {
    const [write, read] = epochs(CIPHER_SUITES_13[2]!)
    write.advanceTo(SEQUENCE_LIMIT - 1)
    expect(reconstruct(0, 16, SEQUENCE_LIMIT - 1)).toBe(SEQUENCE_LIMIT)
    expect(open(read, sealed(write, 23, new Uint8Array(1)))).toBe('rejected')
    expect(write.exhausted).toBe(true)
  })
})

describe('the unified header', () => {
  it('with a connection id, or more than there is, is malformed', () => {
    const header = emptyUnifiedHeader()
    const bytes = new Uint8Array(100)
    writeUnifiedHeader(bytes, 0, 7, 0x1_2345, 95)
    expect(readUnifiedHeader(bytes, 0, header)).toBe(true)
    expect(header).toEqual({ epochBits: 3, sequenceBytes: 2, at: 0, start: 5, end: 100 })
    expect([bytes[1], bytes[2]]).toEqual([0x23, 0x45])
    bytes[0]! |= 0x10
    expect(readUnifiedHeader(bytes, 0, header)).toBe(false)
    for (const length of [96, 15, 0, 0xffff]) {
      writeUnifiedHeader(bytes, 0, 3, 0, length)
      expect(readUnifiedHeader(bytes, 0, header), `length ${length}`).toBe(false)
    }
    const long = new Uint8Array(20_000)
    writeUnifiedHeader(long, 0, 3, 0, (1 << 14) + 256)
    expect(readUnifiedHeader(long, 0, header)).toBe(true)
    writeUnifiedHeader(long, 0, 3, 0, (1 << 14) + 257)
    expect(readUnifiedHeader(long, 0, header)).toBe(false)
  })
})

/** A provider that notes each key and nonce that something is sealed under. */
function recording(nonces: string[]): CryptoProvider {
  const base = seededCrypto(20)
  return new Proxy(base, {
    get(target, name): unknown {
      if (name === 'aead') {
        return (...args: Parameters<CryptoProvider['aead']>): Aead => {
          const aead = target.aead(...args)
          const key = Buffer.from(args[1]).toString('hex')
          return {
            seal: (nonce, ...rest) => {
              nonces.push(`${key} ${Buffer.from(nonce).toString('hex')}`)
              aead.seal(nonce, ...rest)
            },
            open: (...opened) => aead.open(...opened),
          }
        }
      }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

it('S5: no key has the same nonce twice, over a handshake with losses, data and new keys; they count up', () => {
  const nonces: string[] = []
  const random = new SeededRandom(9)
  const wire = new Wire(
    makeClient({ ...OPTIONS, mtu: 300 }),
    makeServer({ ...OPTIONS, mtu: 300, crypto: recording(nonces) }),
    (contents) => (random.chance(0.3) ? [] : [{ contents, delay: 5 }]),
  )
  wire.connect()
  for (let i = 0; i < 300; i++) {
    wire.server.send(new Uint8Array(3))
    if (i % 100 === 50) wire.server.updateKeys(false)
    if (i % 10 === 0) wire.run(wire.now + 100)
  }
  expect(nonces.length).toBeGreaterThan(300)
  expect(new Set(nonces).size).toBe(nonces.length)
  const last = new Map<string, bigint>()
  for (const each of nonces) {
    const [key, nonce] = each.split(' ') as [string, string]
    const first = nonces.find((other) => other.startsWith(key))!.split(' ')[1]!
    const count = BigInt(`0x${nonce}`) ^ BigInt(`0x${first}`)
    expect(count).toBe((last.get(key) ?? -1n) + 1n)
    last.set(key, count)
  }
  // epochs 2 to 6
  expect(last.size).toBe(5)
})

it('data is sealed in its place, as it is apart', () => {
  const wires = [0, 1].map(() => new Wire(makeClient(OPTIONS), makeServer(OPTIONS)))
  for (const wire of wires) wire.connect()
  const buffer = new Uint8Array(RECORD_HEADROOM + 1000 + RECORD_TAILROOM).fill(7)
  const data = buffer.subarray(RECORD_HEADROOM, RECORD_HEADROOM + 1000)
  wires[0]!.client.send(data)
  wires[1]!.client.sendInPlace(data)
  const [apart, inPlace] = wires.map((wire) => drain(wire.client).datagrams.at(-1)!)
  expect(inPlace!.buffer).toBe(buffer.buffer)
  expect(inPlace).toEqual(apart)
  expect(wires[0]!.client.maxDataLength).toBe(1200 - 22)
  expect(() => wires[0]!.client.send(new Uint8Array(1179))).toThrow(
    expect.objectContaining({ code: 'data-too-long' }),
  )
})
