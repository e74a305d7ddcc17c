import { portableCrypto } from '@str0m/crypto'
import { RECORD_HEADROOM, RECORD_TAILROOM, type Dtls } from '@str0m/dtls'
import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { CIPHER_SUITES } from '../src/cipher-suites.ts'
import { WriteEpoch } from '../src/record-protection.ts'
import { ContentType, DTLS_1_2 } from '../src/wire/protocol.ts'
import { drain, makeClient, makeServer, seededCrypto, Wire } from './support.ts'

/** A view of bytes in a buffer that has so much room around them. */
function within(bytes: Uint8Array, before: number, after: number): Uint8Array {
  const buffer = new Uint8Array(before + bytes.length + after)
  buffer.set(bytes, before)
  return buffer.subarray(before, before + bytes.length)
}

function connected(wire: Wire): Wire {
  wire.connect()
  drain(wire.client)
  return wire
}

describe('a record that is made where its data is', () => {
  it.each([
    ['native', {}],
    ['portable', { crypto: portableCrypto({ random: new SeededRandom(5).fill }) }],
  ])('arrives as one that is copied does: %s', (_, options) => {
    const wire = connected(new Wire(makeClient(options), makeServer()))
    const random = new SeededRandom(1)
    const sent: Uint8Array[] = []
    // more than a key takes to count as busy
    for (let i = 0; i < 100; i++) {
      const data = new Uint8Array(random.integer(1100))
      random.fill(data)
      sent.push(data.slice())
      wire.client.sendInPlace(within(data, RECORD_HEADROOM, RECORD_TAILROOM))
    }
    wire.run(wire.now + 100)
    const got = wire.events.server.flatMap((event) => (event.type === 'data' ? [event.data] : []))
    expect(got).toEqual(sent)
  })

  it.each(CIPHER_SUITES)('is the same as one that is made apart: $name', (suite) => {
    const crypto = seededCrypto(9)
    const keys = { key: crypto.randomBytes(suite.keyLength), iv: crypto.randomBytes(suite.ivLength) }
    const [inPlace, apart] = [0, 1].map(() => new WriteEpoch({ crypto, suite, keys }))
    for (let length = 0; length < 100; length++) {
      const data = crypto.randomBytes(length)
      const expected = new Uint8Array(apart!.overhead + length)
      apart!.seal(ContentType.applicationData, DTLS_1_2, data, expected, 0)
      const record = new Uint8Array(inPlace!.overhead + length)
      record.set(data, inPlace!.headroom)
      const plaintext = record.subarray(inPlace!.headroom, inPlace!.headroom + length)
      inPlace!.seal(ContentType.applicationData, DTLS_1_2, plaintext, record, 0)
      expect(record).toEqual(expected)
    }
  })

  it('goes out in the buffer of its data, and is copied where there is no room', () => {
    const { client } = connected(new Wire())
    const datagramOf = (machine: Dtls, data: Uint8Array): Uint8Array => {
      machine.sendInPlace(data)
      return drain(machine).datagrams[0]!
    }
    const data = within(Uint8Array.of(1, 2, 3), RECORD_HEADROOM, RECORD_TAILROOM)
    expect(datagramOf(client, data).buffer).toBe(data.buffer)
    for (const [before, after] of [
      [RECORD_HEADROOM - 1, RECORD_TAILROOM],
      // one more byte is for records of DTLS 1.3
      [RECORD_HEADROOM, RECORD_TAILROOM - 2],
      [0, 0],
    ] as const) {
      const tight = within(Uint8Array.of(1, 2, 3), before, after)
      expect(datagramOf(client, tight).buffer).not.toBe(tight.buffer)
      expect(tight).toEqual(Uint8Array.of(1, 2, 3))
    }
  })

  it('is refused as one that is copied is', () => {
    expect(() => makeClient().sendInPlace(new Uint8Array(1))).toThrow(
      expect.objectContaining({ code: 'not-connected' }),
    )
    const { client } = connected(new Wire())
    expect(() => client.sendInPlace(new Uint8Array(client.maxDataLength + 1))).toThrow(
      expect.objectContaining({ code: 'data-too-long' }),
    )
  })
})
