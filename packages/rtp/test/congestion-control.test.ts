import { SeededRandom, type Ssrc } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import {
  ARRIVAL_OVER_RANGE,
  ARRIVAL_UNAVAILABLE,
  type CongestionControlFeedback,
  CongestionControlFeedbackGenerator,
  MAX_BLOCK_PACKETS,
  MAX_REPORTED_STREAMS,
  parseRtcp,
  writeRtcp,
} from '../src/index.ts'

const MAX_BYTES = 1150

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))

/** The report timestamp of an instant, as if the clock had started at 0. */
const timestampOf = (now: number): number => Math.floor(now * 65.536) >>> 0

/** Takes what is due, over the wire. */
function take(generator: CongestionControlFeedbackGenerator, now: number): CongestionControlFeedback[] {
  const reports = generator.take(now, 5, timestampOf(now), MAX_BYTES)
  for (const report of reports) {
    const bytes = writeRtcp([report])
    expect(bytes.length).toBeLessThanOrEqual(MAX_BYTES)
    expect(parseRtcp(bytes)).toEqual({ packets: [report], malformed: 0 })
  }
  return reports
}

/** When each packet came as reports tell it, by its source and number; undefined: it did not. */
function read(reports: readonly CongestionControlFeedback[], at: number, into = new Map<string, number>()) {
  for (const { streams } of reports) {
    for (const { ssrc, beginSequence, arrivalOffsets } of streams) {
      arrivalOffsets.forEach((offset, i) => {
        if (offset !== undefined) into.set(`${ssrc} ${(beginSequence + i) & 0xffff}`, at - offset / 1.024)
      })
    }
  }
  return into
}

describe('the report of RFC 8888', () => {
  it('is laid out as in section 3.1', () => {
    const bytes = writeRtcp([
      {
        type: 'congestionControlFeedback',
        senderSsrc: 1,
        reportTimestamp: 0xaabb_ccdd,
        streams: [
          { ssrc: 2, beginSequence: 0xffff, arrivalOffsets: [512, undefined, 0], ecn: [0, 0, 3] },
          { ssrc: 3, beginSequence: 4, arrivalOffsets: [ARRIVAL_OVER_RANGE, ARRIVAL_UNAVAILABLE] },
          { ssrc: 4, beginSequence: 5, arrivalOffsets: [] },
        ],
      },
    ])
    expect(Buffer.from(bytes)).toEqual(
      Buffer.from(
        hex(`8bcd000b 00000001
          00000002 ffff0003 82000000 e0000000
          00000003 00040002 9ffe9fff
          00000004 00050000
          aabbccdd`),
      ),
    )
  })

  it('what follows the bit of a packet that did not come means nothing', () => {
    const { packets } = parseRtcp(hex('8bcd0005 00000001 00000002 00070002 7fff8001 00000000'))
    expect(packets).toEqual([
      {
        type: 'congestionControlFeedback',
        senderSsrc: 1,
        reportTimestamp: 0,
        streams: [{ ssrc: 2, beginSequence: 7, arrivalOffsets: [undefined, 1] }],
      },
    ])
  })

  it('a count beyond its bounds, or what is no number of its bits, is not written', () => {
    const refused: unknown = expect.objectContaining({ code: 'invalid-rtcp' })
    const write = (arrivalOffsets: (number | undefined)[], ecn?: number[]) =>
      writeRtcp([
        {
          type: 'congestionControlFeedback',
          senderSsrc: 1,
          reportTimestamp: 0,
          streams: [{ ssrc: 2, beginSequence: 0, arrivalOffsets, ...(ecn === undefined ? {} : { ecn }) }],
        },
      ])
    expect(write(Array.from({ length: MAX_BLOCK_PACKETS }, () => 1))).toHaveLength(20 + 2 * MAX_BLOCK_PACKETS)
    expect(() => write(Array.from({ length: MAX_BLOCK_PACKETS + 1 }, () => undefined))).toThrow(refused)
    for (const offset of [-1, 0x2000, 0.5, Number.NaN]) expect(() => write([offset])).toThrow(refused)
    expect(() => write([1], [4])).toThrow(refused)
  })
})

describe('S14: a report of RFC 8888 whose counts disagree with its bytes', () => {
  it.each([
    ['more packets than bytes', '8bcd0005 00000001 00000002 00070003 80018001 00000000'],
    ['the timestamp counted as packets', '8bcd0004 00000001 00000002 00070002 80018001'],
    ['65535 packets', '8bcd0005 00000001 00000002 0007ffff 80018001 00000000'],
    ['half a block after the last', '8bcd0006 00000001 00000002 00070002 80018001 00000000 00000000'],
    ['no timestamp', '8bcd0001 00000001'],
    ['nothing', '8bcd0000'],
  ])('%s', (_, bytes) => {
    expect(parseRtcp(hex(bytes))).toEqual({ packets: [], malformed: 1 })
  })

  it('more packets in a block than a quarter of the circle', () => {
    const bytes = new Uint8Array(20 + 2 * (MAX_BLOCK_PACKETS + 2))
    const words = bytes.length / 4 - 1
    const count = MAX_BLOCK_PACKETS + 2
    bytes.set([0x8b, 205, words >> 8, words & 0xff, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, count >> 8, count & 0xff])
    expect(parseRtcp(bytes)).toEqual({ packets: [], malformed: 1 })
  })
})

describe('reports on all packets of a sender, stream by stream', () => {
  it('tell when each came, whatever is lost, late or doubled, and over the wrap', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = new SeededRandom(seed)
      const generator = new CongestionControlFeedbackGenerator()
      const came = new Map<string, number>()
      const told = new Map<string, number>()
      let now = 1000
      for (let i = 0; i < 2000; i++) {
        now += random.float() * 8
        const ssrc = 1 + random.integer(3)
        const sequence = (65_000 + i - (random.chance(0.1) ? random.integer(50) : 0)) & 0xffff
        if (!random.chance(0.1)) {
          const key = `${ssrc} ${sequence}`
          if (!came.has(key)) came.set(key, now)
          generator.handlePacket(now, ssrc, sequence, 1000)
        }
        if (generator.deadline > now) continue
        read(take(generator, now), now, told)
        expect(generator.deadline, `seed ${seed}`).toBeGreaterThan(now)
      }
      read(take(generator, now), now, told)
      expect([...told.keys()].sort(), `seed ${seed}`).toEqual([...came.keys()].sort())
      for (const [key, at] of came)
        expect(Math.abs(told.get(key)! - at), `seed ${seed}`).toBeLessThanOrEqual(0.5)
    }
  })

  it('say what was lost, and what came late after all, with what is known of the others', () => {
    const generator = new CongestionControlFeedbackGenerator()
    generator.handlePacket(0, 7, 0xfffe, 1000)
    generator.handlePacket(10, 7, 1, 1000)
    generator.handlePacket(10, 8, 5, 1000)
    const [first] = take(generator, 50)
    expect(first!.streams).toEqual([
      { ssrc: 7, beginSequence: 0xfffe, arrivalOffsets: [51, undefined, undefined, 41] },
      { ssrc: 8, beginSequence: 5, arrivalOffsets: [41] },
    ])
    generator.handlePacket(60, 7, 0xffff, 1000)
    generator.handlePacket(61, 7, 1, 1000)
    const [second] = take(generator, 100)
    expect(second!.streams).toEqual([{ ssrc: 7, beginSequence: 0xffff, arrivalOffsets: [41, undefined, 92] }])
    generator.handlePacket(110, 7, 4, 1000)
    expect(take(generator, 150)[0]!.streams).toEqual([
      { ssrc: 7, beginSequence: 2, arrivalOffsets: [undefined, undefined, 41] },
    ])
  })

  it('say of what came too long ago, or after their time, only that it came', () => {
    const generator = new CongestionControlFeedbackGenerator()
    generator.handlePacket(0, 7, 1, 1000)
    generator.handlePacket(2, 7, 2, 1000)
    generator.handlePacket(8000, 7, 3, 1000)
    // as when the driver's timer was late; 8189 and less can be told
    const [report] = take(generator, 7999)
    expect(report!.streams[0]!.arrivalOffsets).toEqual([ARRIVAL_OVER_RANGE, 8189, ARRIVAL_UNAVAILABLE])
  })

  it('end with what comes in', () => {
    const generator = new CongestionControlFeedbackGenerator()
    expect(generator.deadline).toBe(Infinity)
    generator.handlePacket(1000, 7, 1, 1000)
    expect(generator.deadline).toBe(1050)
    expect(take(generator, 1050)).toHaveLength(1)
    expect(generator.deadline).toBe(Infinity)
    expect(take(generator, 5000)).toEqual([])
    generator.handlePacket(6000, 7, 1, 1000)
    expect(generator.deadline, 'a copy').toBe(Infinity)
  })

  it('take a twentieth of what comes in, between 50 and 200 ms', () => {
    /** ms between reports on packets of this size and this distance. */
    const interval = (size: number, distance: number): number => {
      const generator = new CongestionControlFeedbackGenerator()
      let reports = 0
      let bytes = 0
      const end = 20_000
      for (let now = 0, sequence = 0; now < end; now++) {
        if (now >= generator.deadline) {
          for (const report of take(generator, now)) bytes += writeRtcp([report]).length + 42
          reports++
        }
        if (now % distance === 0) generator.handlePacket(now, 7, sequence++ & 0xffff, size)
      }
      const share = (bytes * distance) / (size * end)
      if (end / reports < 190) expect(share).toBeLessThan(0.06)
      return end / reports
    }
    expect(interval(1200, 2)).toBeLessThan(60)
    expect(interval(1200, 10)).toBeLessThan(70)
    const middling = interval(600, 20)
    expect(middling).toBeGreaterThan(50)
    expect(middling).toBeLessThan(200)
    // of sound alone
    expect(interval(100, 20)).toBeGreaterThan(190)
    expect(interval(100, 20)).toBeLessThan(230)
  })

  it('go on with a sender that starts anew', () => {
    const generator = new CongestionControlFeedbackGenerator()
    for (let i = 0; i < 10; i++) generator.handlePacket(i, 7, 30_000 + i, 1000)
    take(generator, 60)
    generator.handlePacket(70, 7, 100, 1000)
    expect(generator.deadline, 'one alone may be a stray').toBe(Infinity)
    generator.handlePacket(71, 7, 101, 1000)
    generator.handlePacket(72, 7, 102, 1000)
    expect(take(generator, 130)[0]!.streams).toMatchObject([{ beginSequence: 101 }])
  })
})

describe('exhaust', () => {
  it('a million sources are not remembered', () => {
    const generator = new CongestionControlFeedbackGenerator()
    for (let ssrc = 0; ssrc < 1_000_000; ssrc++) generator.handlePacket(ssrc / 1000, ssrc, 1, 100)
    expect(generator.streams).toBe(MAX_REPORTED_STREAMS)
    const ssrcs = new Set<Ssrc>()
    let now = 1000
    for (let rounds = 0; generator.deadline < Infinity; rounds++) {
      expect(rounds).toBeLessThan(10)
      now = Math.max(now, generator.deadline)
      const reports = take(generator, now)
      expect(reports.length).toBeLessThanOrEqual(8)
      for (const { streams } of reports) for (const { ssrc } of streams) ssrcs.add(ssrc)
    }
    expect(ssrcs.size).toBe(MAX_REPORTED_STREAMS)
    // those that fell silent make room
    generator.handlePacket(now + 30_000, 0, 2, 100)
    take(generator, now + 30_050)
    expect(generator.streams).toBe(1)
    generator.handlePacket(now + 30_060, 5_000_000, 2, 100)
    expect(generator.streams).toBe(2)
  })

  it('a jump makes a report of bounded length', () => {
    const generator = new CongestionControlFeedbackGenerator()
    let now = 0
    for (let i = 0, sequence = 0; i < 2000; i++, sequence += 30_000) {
      now += 60
      generator.handlePacket(now, 7, sequence & 0xffff, 100)
      const packets = take(generator, now + 50).flatMap(({ streams }) =>
        streams.map(({ arrivalOffsets }) => arrivalOffsets.length),
      )
      expect(packets.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(1024)
    }
  })
})
