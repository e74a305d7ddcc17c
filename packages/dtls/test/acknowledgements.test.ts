import { SeededRandom } from '@str0m/sans-io'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Delivery, RECEIVED_RECORDS_MAX, ReceivedRecords, SENT_RECORDS_MAX } from '../src/acknowledgements.ts'
import { BYTES_AHEAD_MAX, MESSAGES_AHEAD_MAX, PeerMessages } from '../src/peer-messages.ts'
import { MESSAGE_LENGTH_MAX, RUNS_MAX } from '../src/reassembly.ts'
import { Counters } from '../src/statistics.ts'
import { encodeAcknowledgement, parseAcknowledgement } from '../src/wire/acknowledgement.ts'
import { handshakeFragment, handshakeMessage } from '../src/wire/handshake.ts'

describe('what of a message has arrived', () => {
  it('is what the acknowledged records carried, byte for byte', () => {
    const records = fc.array(fc.tuple(fc.nat(60), fc.nat(60), fc.boolean()), { maxLength: 30 })
    fc.assert(
      fc.property(fc.nat(50), records, (length, sent) => {
        const delivery = new Delivery(length)
        const arrived = new Set<number>()
        for (const [sequence, [a, b, isAcknowledged]] of sent.entries()) {
          const offset = Math.min(a, b, length)
          const end = Math.min(Math.max(a, b), length)
          delivery.noteSent(sequence, offset, end)
          if (!isAcknowledged) continue
          expect(delivery.acknowledge(sequence)).toBe(true)
          expect(delivery.acknowledge(sequence)).toBe(false)
          for (let i = offset; i < end; i++) arrived.add(i)
        }
        const missing = delivery.missing.flatMap(({ offset, end }) =>
          Array.from({ length: end - offset }, (_, i) => offset + i),
        )
        expect(missing).toEqual(Array.from({ length }, (_, i) => i).filter((i) => !arrived.has(i)))
        if (length > 0) expect(delivery.isComplete).toBe(missing.length === 0)
      }),
    )
  })

  it('without a body is one record', () => {
    const delivery = new Delivery(0)
    expect(delivery.missing).toEqual([{ offset: 0, end: 0 }])
    delivery.noteSent(3, 0, 0)
    expect([delivery.acknowledge(2), delivery.isComplete]).toEqual([false, false])
    expect([delivery.acknowledge(3), delivery.isComplete]).toEqual([true, true])
  })

  it(`exhaust: of more than ${SENT_RECORDS_MAX} records the oldest are forgotten`, () => {
    const delivery = new Delivery(10)
    for (let sequence = 0; sequence <= SENT_RECORDS_MAX; sequence++) delivery.noteSent(sequence, 0, 10)
    expect(delivery.acknowledge(0)).toBe(false)
    expect(delivery.acknowledge(1)).toBe(true)
    expect(delivery.isComplete).toBe(true)
  })
})

describe('what is acknowledged', () => {
  it(`is the newest ${RECEIVED_RECORDS_MAX} records, in increasing order`, () => {
    const received = new ReceivedRecords()
    expect(received.isEmpty).toBe(true)
    received.add(2, 9)
    received.add(0, 7)
    for (let sequence = 0; sequence < RECEIVED_RECORDS_MAX - 1; sequence++) received.add(2, 20 - sequence)
    const numbers = parseAcknowledgement(received.encode())
    expect(numbers?.length).toBe(RECEIVED_RECORDS_MAX)
    expect(numbers?.[0]).toEqual({ epoch: 0, sequence: 7 })
    const sequences = numbers!.slice(1).map(({ sequence }) => sequence)
    expect(sequences).toEqual(sequences.toSorted((a, b) => a - b))
    received.clear()
    expect(parseAcknowledgement(received.encode())).toEqual([])
  })

  it('reads back, of any 48 bits, and is malformed where it is cut', () => {
    const numbers = [
      { epoch: 0, sequence: 0 },
      { epoch: 2 ** 48 - 1, sequence: 2 ** 48 - 1 },
    ]
    const body = encodeAcknowledgement(numbers)
    expect(parseAcknowledgement(body)).toEqual(numbers)
    for (let length = 0; length < body.length; length++) {
      expect(parseAcknowledgement(body.subarray(0, length))).toBeUndefined()
    }
    expect(parseAcknowledgement(new Uint8Array([...body, 0]))).toBeUndefined()
  })
})

describe("the peer's messages", () => {
  function messages(): [PeerMessages, Counters] {
    const counters = new Counters()
    return [new PeerMessages(counters, 1), counters]
  }

  it('S3: come in order, out of fragments in any order, repeated or not', () => {
    const random = new SeededRandom(77)
    for (let run = 0; run < 100; run++) {
      const [peer] = messages()
      const sent = Array.from({ length: 6 }, (_, i) => {
        const body = new Uint8Array(random.integer(300))
        random.fill(body)
        return handshakeMessage(11 + i, 1 + i, body)
      })
      const fragments = sent.flatMap((message) => {
        const parts: Uint8Array[] = []
        let offset = 0
        do {
          const size = Math.min(message.body.length - offset, 1 + random.integer(100))
          parts.push(handshakeFragment(message, offset, size))
          offset += size
        } while (offset < message.body.length)
        return parts
      })
      const order = [...fragments, ...fragments].toSorted(() => random.float() - 0.5)
      const taken: unknown[] = []
      for (const [sequence, fragment] of order.entries()) {
        expect(peer.handleRecord(fragment, 2, sequence)).not.toBe('refused')
        for (let next = peer.take(); next !== undefined; next = peer.take()) taken.push(next)
      }
      expect(taken, `run ${run}`).toEqual(sent)
    }
  })

  it('tell a gap from progress', () => {
    const [peer] = messages()
    const message = handshakeMessage(11, 1, new Uint8Array(30).fill(1))
    expect(peer.handleRecord(handshakeFragment(message, 0, 10), 2, 0)).toBe('progress')
    expect(peer.handleRecord(handshakeFragment(message, 0, 10), 2, 1)).toBe('repeated')
    expect(peer.handleRecord(handshakeFragment(message, 20, 10), 2, 2)).toBe('gap')
    expect(peer.handleRecord(handshakeMessage(15, 2, new Uint8Array(0)).bytes, 2, 3)).toBe('gap')
    expect(peer.handleRecord(handshakeFragment(message, 10, 10), 2, 4)).toBe('progress')
    expect([peer.take()?.type, peer.take()?.type, peer.take()]).toEqual([11, 15, undefined])
    expect(peer.handleRecord(message.bytes, 2, 5)).toBe('repeated')
    // several messages in one record
    const both = [handshakeMessage(4, 3, new Uint8Array(3)), handshakeMessage(4, 4, new Uint8Array(3))]
    const record = new Uint8Array(30)
    record.set(both[0]!.bytes)
    record.set(both[1]!.bytes, 15)
    expect(peer.handleRecord(record, 3, 0)).toBe('progress')
    expect([peer.take()?.messageSequence, peer.take()?.messageSequence]).toEqual([3, 4])
  })

  it('exhaust: what is too far ahead, too long, too much or contradicts itself is refused, and not acknowledged', () => {
    const [peer, counters] = messages()
    const give = (type: number, sequence: number, length: number, offset = 0, size = length): string => {
      const message = handshakeMessage(type, sequence, new Uint8Array(length))
      return peer.handleRecord(handshakeFragment(message, offset, size), 2, 0)
    }
    expect(give(11, 1 + MESSAGES_AHEAD_MAX, 5)).toBe('refused')
    expect(give(11, 2, MESSAGE_LENGTH_MAX + 1)).toBe('refused')
    expect(give(11, 2, 10, 0, 4)).toBe('gap')
    expect(give(12, 2, 10, 4, 6)).toBe('refused')
    expect(give(11, 2, 11, 4, 6)).toBe('refused')
    let ahead = 0
    for (let sequence = 3; give(11, sequence, 9000) !== 'refused'; sequence++) ahead += 9000
    expect(ahead).toBeGreaterThan(BYTES_AHEAD_MAX - 2 * 9000)
    // the next one always finds room
    expect(give(11, 1, MESSAGE_LENGTH_MAX)).not.toBe('refused')
    for (let i = 0; i < RUNS_MAX; i++) give(11, 2, 1000, 0, 1)
    expect(counters.snapshot().dropped['reassembly-limit']).toBe(3)
    const [holes] = messages()
    const long = handshakeMessage(11, 1, new Uint8Array(1000))
    const outcomes = Array.from({ length: RUNS_MAX + 1 }, (_, i) =>
      holes.handleRecord(handshakeFragment(long, 2 * i, 1), 2, i),
    )
    expect(outcomes.filter((outcome) => outcome === 'refused').length).toBe(1)
  })
})
