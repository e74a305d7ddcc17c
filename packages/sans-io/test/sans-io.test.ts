import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  assert,
  ByteReader,
  ByteWriter,
  checkInput,
  canonicalIpAddress,
  concatBytes,
  datagramBytes,
  decodeUtf8,
  decodeUtf8Strict,
  encodeUtf8,
  formatIpAddress,
  formatSocketAddress,
  latestInstant,
  InternalError,
  ipFamily,
  onceFor,
  onceForBoth,
  OutputQueue,
  parseIpAddress,
  plainBytes,
  sameSocketAddress,
  SeededRandom,
  serial16,
  serial24,
  serial32,
  socketAddress,
  toHex,
  unixTimeAt,
  UsageError,
} from '../src/index.ts'

describe('bytes', () => {
  it('are joined into a buffer of their own', () => {
    const parts = [new Uint8Array([1, 2]), new Uint8Array(0), new Uint8Array([9, 3, 9]).subarray(1, 2)]
    const whole = concatBytes(parts)
    expect(whole).toEqual(new Uint8Array([1, 2, 3]))
    whole[0] = 7
    expect(parts[0]).toEqual(new Uint8Array([1, 2]))
    const one = new Uint8Array([5])
    expect(concatBytes([one])).not.toBe(one)
    expect(concatBytes([])).toEqual(new Uint8Array(0))
  })

  it('are read as they were written', () => {
    fc.assert(
      fc.property(
        fc.nat(0xff),
        fc.nat(0xffff),
        fc.nat(0xff_ffff),
        fc.nat(0xffff_ffff),
        fc.nat(2 ** 48 - 1),
        fc.bigInt(0n, 2n ** 64n - 1n),
        fc.uint8Array({ maxLength: 300 }),
        (a, b, c, d, e, f, bytes) => {
          const writer = new ByteWriter(1).u8(a).u16(b).u24(c).u32(d).u48(e).u64(f).bytes(bytes).zeros(3)
          const reader = new ByteReader(writer.finish())
          expect([reader.u8(), reader.u16(), reader.u24(), reader.u32(), reader.u48(), reader.u64()]).toEqual(
            [a, b, c, d, e, f],
          )
          expect(reader.view(bytes.length)).toEqual(bytes)
          expect(reader.rest()).toEqual(new Uint8Array(3))
          expect(reader.finished).toBe(true)
        },
      ),
    )
  })

  it('past the end are zero, and the failure stays', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2, 3))
    expect(reader.u32()).toBe(0)
    expect(reader.failed).toBe(true)
    expect(reader.u8()).toBe(0)
    expect(reader.remaining).toBe(0)
    expect(reader.finished).toBe(false)
    for (const read of ['u16', 'u24', 'u48'] as const) expect(reader[read]()).toBe(0)
    expect(reader.u64()).toBe(0n)
    expect(reader.view(1)).toHaveLength(0)
    expect(new ByteReader(Uint8Array.of(1), 2).failed).toBe(true)
  })

  it('of a field that is there in part are zero too', () => {
    for (let length = 0; length < 8; length++) {
      const bytes = new Uint8Array(length).fill(0xff)
      for (const [read, width] of [
        ['u16', 2],
        ['u24', 3],
        ['u32', 4],
        ['u48', 6],
        ['u64', 8],
      ] as const) {
        const reader = new ByteReader(bytes)
        const value = Number(reader[read]())
        expect([value === 0, reader.failed], `${read} of ${length}`).toEqual([length < width, length < width])
      }
    }
  })

  it('of a part are read apart', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2, 3, 4))
    const part = reader.sub(2)
    expect([part.u8(), part.u8(), part.finished]).toEqual([1, 2, true])
    expect(part.u8()).toBe(0)
    expect(reader.failed).toBe(false)
    reader.skip(1)
    expect(reader.sub(2).failed).toBe(true)
    expect(reader.failed).toBe(true)
    expect(reader.view(-1)).toHaveLength(0)
  })

  it('shows what was written so far, and goes on', () => {
    const writer = new ByteWriter(2).u16(0x0102)
    const before = writer.written
    expect(writer.u16(0x0304).written).toEqual(new Uint8Array([1, 2, 3, 4]))
    expect(before).toEqual(new Uint8Array([1, 2]))
    expect(writer.finish()).toEqual(new Uint8Array([1, 2, 3, 4]))
  })

  it('are overwritten where they were', () => {
    const writer = new ByteWriter(2).u16(0).u24(0).u32(0)
    writer.setU16(0, 0x0102)
    writer.setU24(2, 0x030405)
    writer.setU32(5, 0x06070809)
    expect(() => writer.setU16(8, 0)).toThrow(InternalError)
    expect(() => writer.setU24(-1, 0)).toThrow(InternalError)
    expect(() => writer.setU32(6, 0)).toThrow(InternalError)
    expect(toHex(writer.finish())).toBe('010203040506070809')
  })

  it('of a Buffer are the same memory without its slice', () => {
    const buffer = Buffer.from([1, 2, 3, 4]).subarray(1)
    const plain = plainBytes(buffer)
    expect(plain.constructor).toBe(Uint8Array)
    expect(plain).toEqual(Uint8Array.of(2, 3, 4))
    buffer[0] = 9
    expect(plain[0]).toBe(9)
    expect(plainBytes(plain)).toBe(plain)
    const view = new ByteReader(buffer).view(2)
    view.slice()[0] = 7
    expect(buffer[0]).toBe(9)
  })

  it('as text', () => {
    expect(decodeUtf8(encodeUtf8('grüße ☎'))).toBe('grüße ☎')
    expect(decodeUtf8Strict(encodeUtf8('☎'))).toBe('☎')
    expect(decodeUtf8Strict(Uint8Array.of(0xff))).toBeUndefined()
    expect(decodeUtf8(Uint8Array.of(0xff))).toBe('\ufffd')
    // a byte order mark at the beginning is a character as others are
    for (const marked of ['\ufeff', '\ufeffa', '\ufeff\ufeffa']) {
      expect(decodeUtf8(encodeUtf8(marked))).toBe(marked)
      expect(decodeUtf8Strict(encodeUtf8(marked))).toBe(marked)
    }
    // half of a pair has no UTF-8
    expect(decodeUtf8(encodeUtf8('a\ud800'))).toBe('a\ufffd')
  })
})

describe('serial numbers', () => {
  it.each([serial16, serial24, serial32])('of $bits bits, RFC 1982', (serial) => {
    const size = 2 ** serial.bits
    expect(serial.add(size - 1, 1)).toBe(0)
    expect(serial.add(0, -1)).toBe(size - 1)
    expect(serial.diff(0, size - 1)).toBe(1)
    expect(serial.diff(size - 1, 0)).toBe(-1)
    expect(serial.lessThan(size - 1, 0)).toBe(true)
    // exactly half the circle: undefined in section 3.2, negative both ways here
    expect(serial.diff(size / 2, 0)).toBe(-size / 2)
    expect(serial.diff(0, size / 2)).toBe(-size / 2)
    fc.assert(
      fc.property(fc.nat(size - 1), fc.integer({ min: 1, max: size / 2 - 1 }), (a, step) => {
        const b = serial.add(a, step)
        expect(serial.diff(b, a)).toBe(step)
        expect(serial.diff(a, b)).toBe(-step)
        expect(serial.lessThan(a, b) && !serial.lessThan(b, a)).toBe(true)
      }),
    )
  })

  it('are unwrapped to what is closest', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 45 }),
        fc.integer({ min: -30_000, max: 30_000 }),
        (at, step) => {
          const value = at + step
          expect(serial16.unwrap(((value % 65_536) + 65_536) % 65_536, at)).toBe(value)
          expect(serial32.unwrap(((value % 2 ** 32) + 2 ** 32) % 2 ** 32, at)).toBe(value)
        },
      ),
    )
    expect(serial16.unwrap(65_535, 0)).toBe(-1)
  })
})

describe('addresses', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['::ffff:7f00:1', '127.0.0.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['::ffff:127.0.0.1%eth0', '127.0.0.1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:2:3:4:5:6:0:8', '1:2:3:4:5:6:0:8'],
  ])('%s is written %s', (text, canonical) => {
    expect(canonicalIpAddress(text)).toBe(canonical)
    expect(canonicalIpAddress(canonical)).toBe(canonical)
  })

  it.each([
    '',
    'localhost',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4.5',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    '::1.2.3',
    'g::',
    '1:2:3:4:5:6:7:8::',
  ])('"%s" is none', (text) => {
    expect(parseIpAddress(text)).toBeUndefined()
    expect(ipFamily(text)).toBeUndefined()
  })

  it('of any bytes are read back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        fc.pre(bytes.some((byte, i) => i < 12 && byte !== (i < 10 ? 0 : 0xff)))
        expect(parseIpAddress(formatIpAddress(bytes))).toEqual(bytes)
        expect(ipFamily(formatIpAddress(bytes))).toBe(6)
      }),
    )
  })

  it('with ports', () => {
    expect(socketAddress('192.0.2.1:5000')).toEqual({ address: '192.0.2.1', port: 5000 })
    expect(socketAddress('[2001:db8::1]:1')).toEqual({ address: '2001:db8::1', port: 1 })
    expect(socketAddress({ address: '::ffff:1.2.3.4', port: 2 })).toEqual({ address: '1.2.3.4', port: 2 })
    expect(formatSocketAddress({ address: '::1', port: 3 })).toBe('[::1]:3')
    expect(formatSocketAddress({ address: '1.2.3.4', port: 3 })).toBe('1.2.3.4:3')
    expect(sameSocketAddress({ address: '::1', port: 3 }, { address: '::1', port: 4 })).toBe(false)
    for (const wrong of ['1.2.3.4', '1.2.3.4:65536', '[1.2.3.4', 'host:1', '2001:db8::1:5']) {
      expect(() => socketAddress(wrong)).toThrow(expect.objectContaining({ code: 'invalid-address' }))
    }
    expect(() => socketAddress({ address: '1.2.3.4', port: -1 })).toThrow(UsageError)
    // as untyped callers have them: what a socket that is not bound answers, an environment that is not set
    for (const none of [undefined, null, 5000, {}, { port: 5000 }, { address: 1, port: 5000 }]) {
      expect(() => socketAddress(none as unknown as string)).toThrow(UsageError)
    }
  })
})

describe('chance', () => {
  it('is the same for the same seed, and another for another', () => {
    const draw = (seed: number): number[] => {
      const random = new SeededRandom(seed)
      return Array.from({ length: 5 }, () => random.u32())
    }
    expect(draw(1)).toEqual(draw(1))
    expect(draw(1)).not.toEqual(draw(2))
    expect(draw(1)).not.toEqual(draw(1 + 2 ** 40))
  })

  it('is spread evenly', () => {
    const random = new SeededRandom(3)
    const counts = Array.from({ length: 10 }, () => 0)
    for (let i = 0; i < 100_000; i++) counts[random.integer(10)]!++
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500)
    let hits = 0
    for (let i = 0; i < 10_000; i++) if (random.chance(0.3)) hits++
    expect(Math.abs(hits - 3000)).toBeLessThan(200)
    const bytes = new Uint8Array(7)
    random.fill(bytes)
    expect(bytes.some((byte) => byte !== 0)).toBe(true)
  })
})

describe('the queue of outputs', () => {
  it('is first in, first out, however it is used', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat())), (steps) => {
        const queue = new OutputQueue<number>()
        const model: number[] = []
        for (const step of steps) {
          if (step === null) expect(queue.shift()).toBe(model.shift())
          else {
            queue.push(step)
            model.push(step)
          }
          expect(queue.length).toBe(model.length)
        }
      }),
    )
  })

  it('does not keep what was taken', () => {
    const queue = new OutputQueue<number>()
    for (let i = 0; i < 5000; i++) queue.push(i)
    for (let i = 0; i < 4000; i++) expect(queue.shift()).toBe(i)
    queue.push(5000)
    expect(queue.length).toBe(1001)
    expect(queue.shift()).toBe(4000)
    queue.clear()
    expect(queue.shift()).toBeUndefined()
  })
})

it('errors say whose they are', () => {
  expect(() => assert(false, 'broken')).toThrow(InternalError)
  expect(() => assert(true, 'fine')).not.toThrow()
  expect(new UsageError('a-code', 'do this')).toMatchObject({ code: 'a-code', name: 'UsageError' })
  expect(new InternalError('x')).toMatchObject({ code: 'internal' })
})

it('a wall clock ties the two times', () => {
  expect(unixTimeAt({ now: 1000, unixTime: 5_000_000 }, 1500)).toBe(5_000_500)
})

it('time does not go back, and is a number', () => {
  expect([latestInstant(Number.NEGATIVE_INFINITY, 5), latestInstant(5, 4), latestInstant(5, 6)]).toEqual([
    5, 5, 6,
  ])
  for (const none of [Number.NaN, Number.POSITIVE_INFINITY, undefined, '5']) {
    expect(() => latestInstant(5, none as number)).toThrow(expect.objectContaining({ code: 'invalid-time' }))
  }
})

it('an input is the time, or bytes', () => {
  checkInput({ kind: 'timeout', now: 0 })
  for (const contents of [new Uint8Array(0), Buffer.of(1)]) checkInput({ kind: 'receive', now: 0, contents })
  for (const none of [
    { now: 0 },
    { kind: 'data' },
    { kind: 'receive' },
    { kind: 'receive', contents: 'abc' },
  ]) {
    expect(() => checkInput(none as never)).toThrow(expect.objectContaining({ code: 'invalid-input' }))
  }
})

describe('what is worked out once', () => {
  it('is made for each frozen key, and given again', () => {
    let made = 0
    const doubled = onceFor((list: readonly number[]) => ({ sum: list.length * 2, made: ++made }))
    const key = Object.freeze([1, 2])
    expect(doubled(key)).toEqual({ sum: 4, made: 1 })
    expect(doubled(key)).toBe(doubled(key))
    expect(doubled(Object.freeze([1, 2]))).toEqual({ sum: 4, made: 2 })
  })

  it('is made each time for a key that may change', () => {
    const lengths = onceFor((list: readonly number[]) => ({ length: list.length }))
    const list = [1]
    expect(lengths(list)).toEqual({ length: 1 })
    list.push(2)
    expect(lengths(list)).toEqual({ length: 2 })
  })

  it('is made for each pair of keys', () => {
    const joined = onceForBoth((a: readonly string[], b: readonly string[]) => [...a, ...b])
    const [a, b] = [Object.freeze(['a']), Object.freeze(['b'])]
    expect(joined(a, b)).toEqual(['a', 'b'])
    expect(joined(a, b)).toBe(joined(a, b))
    expect(joined(b, a)).toEqual(['b', 'a'])
    expect(joined(a, ['c'])).not.toBe(joined(a, ['c']))
  })
})

describe('bytes for datagrams', () => {
  it('are zeros, and nobody else has them', () => {
    const random = new SeededRandom(7)
    const datagrams = Array.from({ length: 500 }, () => datagramBytes(random.integer(2100)))
    for (const [i, bytes] of datagrams.entries()) {
      expect(bytes.every((byte) => byte === 0)).toBe(true)
      bytes.fill(1 + (i % 255))
    }
    for (const [i, bytes] of datagrams.entries()) {
      expect(bytes.every((byte) => byte === 1 + (i % 255))).toBe(true)
    }
  })

  it("are nobody else's after a length that is none", () => {
    for (const none of [Number.NaN, undefined, 'x', -1, 1.5]) {
      try {
        expect(datagramBytes(none as number).length).toBeLessThan(2)
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
      }
      const [a, b] = [datagramBytes(8), datagramBytes(8)]
      a.fill(1)
      b.fill(2)
      expect(a).toEqual(new Uint8Array(8).fill(1))
    }
  })

  it('share no buffer where they are long', () => {
    expect(datagramBytes(2049).buffer.byteLength).toBe(2049)
    expect(datagramBytes(0)).toHaveLength(0)
  })

  it('are there after a buffer was transferred away', () => {
    const { buffer } = datagramBytes(10)
    structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
    expect(datagramBytes(10)).toHaveLength(10)
  })
})
