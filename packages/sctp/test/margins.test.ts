import { describe, expect, it } from 'vitest'
import { DataChannels } from '../src/index.ts'
import { seededCrypto } from './support.ts'

const HEADROOM = 21
const TAILROOM = 16

describe('headroom and tailroom', () => {
  it('stay free around each packet, and may be overwritten', () => {
    const options = { headroom: HEADROOM, tailroom: TAILROOM }
    const a = new DataChannels({ role: 'client', crypto: seededCrypto(1), ...options })
    const b = new DataChannels({ role: 'server', crypto: seededCrypto(2), ...options })
    const id = a.open(0, 'x')
    const message = new Uint8Array(100_000).map((_, i) => i)
    a.send(0, id, message)
    a.connect(0)
    const got: Uint8Array[] = []
    let packets = 0
    const move = (from: DataChannels, to: DataChannels, now: number): void => {
      for (let output = from.pollOutput(); output.kind !== 'timeout'; output = from.pollOutput()) {
        if (output.kind === 'event') {
          if (output.event.type === 'channelData' && typeof output.event.data !== 'string')
            got.push(output.event.data)
          continue
        }
        const { buffer, byteOffset, length } = output.contents
        packets++
        expect(byteOffset).toBeGreaterThanOrEqual(HEADROOM)
        expect(buffer.byteLength - byteOffset - length).toBeGreaterThanOrEqual(TAILROOM)
        const contents = output.contents.slice()
        // whoever carries it writes over it and around it: the packets that wait are as they were
        new Uint8Array(buffer, byteOffset - HEADROOM, HEADROOM + length + TAILROOM).fill(0xff)
        to.handleInput({ kind: 'receive', now, contents })
      }
    }
    for (let now = 0; now < 2000 && got.length === 0; now += 10) {
      a.handleInput({ kind: 'timeout', now })
      b.handleInput({ kind: 'timeout', now })
      move(a, b, now)
      move(b, a, now)
    }
    expect(got).toEqual([message])
    expect(packets).toBeGreaterThan(90)
  })

  it('are within bounds', () => {
    for (const options of [{ headroom: -1 }, { headroom: 257 }, { tailroom: 257 }]) {
      expect(() => new DataChannels({ role: 'client', ...options })).toThrow(
        expect.objectContaining({ code: 'invalid-option' }),
      )
    }
  })
})
