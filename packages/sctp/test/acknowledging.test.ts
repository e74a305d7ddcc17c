import { describe, expect, it } from 'vitest'
import { cumulativeOf, dataChunk, HandPeer, packet } from './hand-peer.ts'
import { connected, numbered } from './support.ts'

const BEGIN_END = 3
const IMMEDIATE = 8

describe('acknowledgements (RFC 9260 section 6.2)', () => {
  /** How many packets one acknowledgement stands for, of `count` that come `interval` ms apart from `first` on. */
  function perSack(peer: HandPeer, first: number, count: number, interval: number): number {
    let sacks = 0
    for (let i = 0; i < count; i++) {
      peer.now += interval
      const chunks = peer.receive(
        packet(peer.tag, dataChunk(first + i, 0, first + i - 1, BEGIN_END, Uint8Array.of(1))),
      )
      if (chunks.length > 0) sacks++
    }
    return count / sacks
  }

  it('every second packet; every fourth where they come fast and long have; every one after a loss', () => {
    const peer = new HandPeer(1)
    expect(perSack(peer, 1, 1000, 0.1)).toBe(2)
    perSack(peer, 1001, 24, 0.1)
    expect(perSack(peer, 1025, 400, 0.1)).toBe(4)
    expect(perSack(peer, 1425, 400, 2)).toBe(2)
    expect(perSack(peer, 1825, 400, 0.1)).toBe(4)
    // 2225 is missing
    expect(perSack(peer, 2226, 10, 0.1)).toBe(1)
    perSack(peer, 2225, 1, 0.1)
    // each was answered while there was the gap
    expect(perSack(peer, 2236, 400, 0.1)).toBe(2)
  })

  it('the last ones of a fast run wait a millisecond, and not where the peer asks for more', () => {
    const peer = new HandPeer(1)
    perSack(peer, 1, 1024, 0.1)
    peer.wait(30)
    perSack(peer, 1025, 7, 0.1)
    expect(cumulativeOf(peer.wait(0.5))).toBeUndefined()
    expect(cumulativeOf(peer.wait(0.6))).toBe(1031)
    const asked = peer.say(dataChunk(1032, 0, 1031, BEGIN_END | IMMEDIATE, Uint8Array.of(1)))
    expect(cumulativeOf(asked)).toBe(1032)
  })

  it('a sender that gets fewer of them sends nothing twice for it', () => {
    const { pair, a, b } = connected(1, { latency: 0.2 })
    for (let i = 0; i < 40; i++) {
      a.send(pair.now, 0, 53, numbered(i, 262_144))
      pair.runUntil(() => b.statistics.messagesReceived === i + 1, 1000)
      pair.runFor(5)
    }
    expect(b.statistics.packetsSent).toBeLessThan(0.4 * a.statistics.packetsSent)
    expect(a.statistics.chunksRetransmitted).toBe(0)
    expect(a.statistics.probes).toBe(0)
  })
})
