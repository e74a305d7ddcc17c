import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { type Delivery, NewReno } from '../src/index.ts'
import { connected, messagesOf, numbered, numberOf } from './support.ts'

/** More with SEEDS=… */
const SEEDS = Number(process.env['SEEDS'] ?? 500)
const STREAMS = 5
const RESET_STREAM = 5

interface Sent {
  readonly number: number
  readonly length: number
}

/** A run over a bad path with outages, against what may have come of each message. */
function run(seed: number): void {
  const random = new SeededRandom(seed)
  const link = {
    latency: random.integer(80),
    jitter: random.integer(5),
    loss: random.chance(0.2) ? 0 : random.float() * 0.3,
    reorder: random.chance(0.5) ? random.float() * 0.2 : 0,
    duplicate: random.chance(0.5) ? random.float() * 0.2 : 0,
    rate: random.chance(0.5) ? 2_000_000 + random.integer(50_000_000) : 1e12,
  }
  const options = {
    receiveWindow: random.chance(0.3) ? 65_536 : 1 << 20,
    maxMessageSize: 65_536,
    maxRetransmissions: 40,
    zeroChecksum: random.chance(0.5),
    ...(random.chance(0.3) ? { congestion: (mtu: number) => new NewReno(mtu) } : {}),
  }
  // both, neither, or one with a peer that does not have it
  const optionsA = { ...options, interleaving: random.chance(0.6) }
  const optionsB = { ...options, interleaving: random.chance(0.7) }
  const { pair, a, b } = connected(seed, link, optionsA, optionsB)
  const from = pair.now + 50
  if (random.chance(0.4)) pair.aToB.addOutage(from, from + random.integer(4000))
  if (random.chance(0.4)) pair.bToA.addOutage(from + 30, from + random.integer(4000))
  let number = 0
  // stream 0 to 2 reliable (2 unordered), 3 by retransmissions, 4 by lifetime
  const deliveries: Delivery[] = [{}, {}, { unordered: true }, { maxRetransmits: 0 }, { lifetime: 200 }]
  const sent: Sent[][] = [...deliveries.map(() => []), []]
  // and stream 5 is reset and used again all the while
  let resets = 0
  const answered = () => pair.a.events.filter(({ event }) => event.type === 'outgoingReset').length
  const useAgain = () => {
    if (answered() < resets) return
    for (let i = random.integer(3); i >= 0; i--) {
      const length = 4 + random.integer(4000)
      if (a.send(pair.now, RESET_STREAM, 53, numbered(++number, length)))
        sent[RESET_STREAM]!.push({ number, length })
    }
    a.resetStream(pair.now, RESET_STREAM)
    resets++
  }
  for (let burst = 0; burst < 8; burst++) {
    for (let i = random.integer(12); i >= 0; i--) {
      const stream = random.integer(STREAMS)
      const length = 4 + (random.chance(0.3) ? random.integer(30_000) : random.integer(2000))
      if (a.send(pair.now, stream, 53, numbered(++number, length), deliveries[stream])) {
        sent[stream]!.push({ number, length })
      }
    }
    useAgain()
    pair.runFor(random.integer(300))
  }
  const expected = sent[0]!.length + sent[1]!.length + sent[2]!.length + sent[RESET_STREAM]!.length
  pair.runUntil(() => {
    if (a.statistics.inFlight > 0) return false
    let reliable = 0
    for (const { event } of pair.b.events)
      if (event.type === 'message' && (event.stream < 3 || event.stream === RESET_STREAM)) reliable++
    return reliable >= expected
  }, 600_000)
  // nothing comes later, nor twice
  pair.runFor(20_000)
  const received: Sent[][] = sent.map(() => [])
  for (const { stream, data } of messagesOf(pair.b.events)) {
    const which = numberOf(data)
    if (Buffer.compare(data, numbered(which, data.length)) !== 0) throw new Error('changed bytes')
    received[stream]!.push({ number: which, length: data.length })
  }
  expect(received[0]).toEqual(sent[0])
  expect(received[1]).toEqual(sent[1])
  expect(received[RESET_STREAM]).toEqual(sent[RESET_STREAM])
  expect(received[2]!.toSorted((x, y) => x.number - y.number)).toEqual(sent[2])
  for (const stream of [3, 4]) {
    const numbers = received[stream]!.map((one) => one.number)
    expect(numbers).toEqual([...new Set(numbers)].toSorted((x, y) => x - y))
    expect(sent[stream]).toEqual(expect.arrayContaining(received[stream]!))
  }
  pair.runUntil(() => answered() === resets, 300_000)
  expect(a.state).toBe('established')
  // a FORWARD TSN may be lost again and again
  pair.runUntil(() => b.statistics.heldBytes === 0, 300_000)
  a.shutdown(pair.now)
  pair.runUntil(() => a.state === 'closed' && b.state === 'closed', 300_000)
}

describe('a model of the path and of what may come of each message', () => {
  it(`holds over ${SEEDS} seeds of loss, reordering, duplication and outages`, () => {
    const first = Number(process.env['FIRST_SEED'] ?? 1)
    for (let seed = first; seed < first + SEEDS; seed++) {
      try {
        run(seed)
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error })
      }
    }
  }, 600_000)
})
