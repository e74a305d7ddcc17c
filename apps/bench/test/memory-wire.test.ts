import { describe, expect, it } from 'vitest'
import { MemoryWire } from '../src/memory-wire.ts'

describe('MemoryWire', () => {
  it('connects two peers, and says goodbye', () => {
    const wire = new MemoryWire({}, 0)
    wire.connect()
    expect(wire.offerer.rtc.connected && wire.answerer.rtc.connected).toBe(true)
    expect(wire.datagrams).toBeGreaterThan(4)
    wire.close()
    expect(wire.offerer.rtc.closed && wire.answerer.rtc.closed).toBe(true)
  })
})
