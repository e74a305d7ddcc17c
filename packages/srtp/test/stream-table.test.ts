import { describe, expect, it } from 'vitest'
import { RtpStream } from '../src/stream.ts'
import { AWAKE_STREAMS_MAX, StreamTable } from '../src/stream-table.ts'

function make(): StreamTable<number, RtpStream> {
  return new StreamTable((ssrc, highest) => {
    const stream = new RtpStream(ssrc, 64)
    stream.window.resume(highest)
    return stream
  })
}

function used(table: StreamTable<number, RtpStream>, ssrc: number): RtpStream {
  const stream = table.find(ssrc) ?? new RtpStream(ssrc, 64)
  stream.window.commit(stream.window.highest + 1)
  table.use(stream)
  return stream
}

describe('StreamTable', () => {
  it('S12: streams that are awake are bounded; those that were used longest ago fall asleep', () => {
    const table = make()
    const streams: RtpStream[] = []
    for (let ssrc = 0; ssrc < 10 * AWAKE_STREAMS_MAX; ssrc++) {
      streams.push(used(table, ssrc))
      used(table, 0)
      if (ssrc % 1000 > 0) continue
      expect(streams.filter(({ isAwake }) => isAwake).length).toBeLessThanOrEqual(AWAKE_STREAMS_MAX)
    }
    expect(table.size).toBe(streams.length)
    const awake = streams.filter(({ isAwake }) => isAwake).map(({ ssrc }) => ssrc)
    expect(awake.length).toBeGreaterThanOrEqual(AWAKE_STREAMS_MAX / 2)
    expect(awake[0]).toBe(0)
    expect(awake.slice(1)).toEqual(streams.slice(1 - awake.length).map(({ ssrc }) => ssrc))
  })

  it('S4: to look for a stream changes nothing', () => {
    const table = make()
    for (let ssrc = 0; ssrc <= AWAKE_STREAMS_MAX; ssrc++) used(table, ssrc)
    const found = table.find(0)!
    expect(found.isAwake).toBe(false)
    expect(found.window.check(0)).not.toBe('fresh')
    expect(found.window.check(1)).toBe('fresh')
    expect(table.find(0)).not.toBe(found)
    expect(table.find(AWAKE_STREAMS_MAX)).toBe(table.find(AWAKE_STREAMS_MAX))
    table.use(found)
    expect(table.find(0)).toBe(found)
    expect(table.size).toBe(AWAKE_STREAMS_MAX + 1)
  })
})
