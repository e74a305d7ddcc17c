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

  it('offers what it is told to, and tells what happens on which side', () => {
    const events: string[] = []
    const wire = new MemoryWire({}, 0, (event, side) => {
      if (event.type === 'channelOpen') events.push(side === wire.offerer ? 'offerer' : 'answerer')
      if (event.type === 'channelData') events.push(`${event.data.length} bytes`)
    })
    wire.connect((change) => void change.addChannel('channel'))
    wire.run(() => events.length === 2)
    expect(events.toSorted()).toEqual(['answerer', 'offerer'])
    wire.offerer.rtc.channels[0]?.write(new Uint8Array(5000))
    wire.run(() => events.length === 3)
    expect(events[2]).toBe('5000 bytes')
    wire.close()
  })

  it('does what is due without letting time go on', () => {
    const wire = new MemoryWire({}, 0)
    wire.connect()
    wire.now += 5000
    const { now, datagrams } = wire
    wire.settle()
    expect(wire.now).toBe(now)
    // keepalives, and their answers
    expect(wire.datagrams).toBeGreaterThan(datagrams + 1)
  })
})
