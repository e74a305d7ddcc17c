import { describe, expect, it } from 'vitest'
import { ChunkType, COMMON_HEADER } from '../src/wire/constants.ts'
import { TlvIterator } from '../src/wire/tlv.ts'
import { connected, numbered, numberOf } from './support.ts'

const SEED = 1
/** Milliseconds each way. */
const LATENCY = 20
/** Milliseconds from message to message. */
const INTERVAL = 10
/** The message that is lost, and not sent again. */
const LOST = 20

const FORWARDS: ReadonlySet<number> = new Set([ChunkType.forwardTsn, ChunkType.iForwardTsn])
const DATA: ReadonlySet<number> = new Set([ChunkType.data, ChunkType.iData])

/** The types of the chunks in a packet. */
function typesOf(packet: Uint8Array): number[] {
  const types: number[] = []
  for (const walk = new TlvIterator(packet, COMMON_HEADER, packet.length); walk.next();) types.push(walk.type)
  return types
}

describe('a FORWARD TSN that is lost', () => {
  // RFC 3758 section 3.5, F2: a duplicate after a full round trip; F3: a delay above 200 ms holds up what the peer has
  it.each([1, 2, 3])('is sent again after a round trip, and not after a timeout: %i of them', (losses) => {
    const { pair, a } = connected(SEED, { latency: LATENCY })
    const send = pair.aToB.send.bind(pair.aToB)
    let forwards = 0
    let isLost = false
    pair.aToB.send = (now, datagram) => {
      const types = typesOf(datagram.contents)
      if (types.some((type) => FORWARDS.has(type)) && ++forwards <= losses) return
      if (!isLost && sent === LOST + 1 && types.some((type) => DATA.has(type))) {
        isLost = true
        return
      }
      send(now, datagram)
    }
    const sentAt: number[] = []
    let sent = 0
    while (sent < 100) {
      sentAt.push(pair.now)
      a.send(pair.now, 1, 53, numbered(sent++, 200), { maxRetransmits: 0 })
      pair.runFor(INTERVAL)
    }
    pair.runFor(1000)
    const delays = pair.b.events.flatMap(({ at, event }) =>
      event.type === 'message' ? [at - sentAt[numberOf(event.data)]!] : [],
    )
    expect(forwards, `seed ${SEED}`).toBeGreaterThan(losses)
    expect(delays, `seed ${SEED}`).toHaveLength(sent - 1)
    // to be found missing, and a round trip and a half with what comes meanwhile for each that is lost
    const most = 4 * LATENCY + INTERVAL + losses * (3 * LATENCY + 2 * INTERVAL)
    expect(Math.max(...delays), `seed ${SEED}`).toBeLessThanOrEqual(most)
    // and no more of them than that: one is not sent for each acknowledgement
    expect(forwards, `seed ${SEED}`).toBeLessThanOrEqual(losses + 2)
  })
})
