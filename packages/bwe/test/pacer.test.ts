import { SeededRandom, UsageError } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { Pacer, type PacerOptions, type PacerPriority } from '../src/index.ts'

interface Sent {
  readonly at: number
  readonly name: string
  readonly probe: number | undefined
}

/** Polls at each deadline until `until`. What is answered is held to the contract's rule 3. */
function drive(pacer: Pacer<string>, from: number, until: number): Sent[] {
  const sent: Sent[] = []
  for (let now = from; now <= until; now = pacer.deadline) {
    for (let name = pacer.poll(now); name !== undefined; name = pacer.poll(now)) {
      sent.push({ at: now, name, probe: pacer.probe })
    }
    expect(pacer.deadline).toBeGreaterThan(now)
  }
  return sent
}

/** 1 Mbit/s: 1250 bytes are 10 ms. */
function paced(options: PacerOptions = {}): Pacer<string> {
  const pacer = new Pacer<string>({ pacingFactor: 1, ...options })
  pacer.setBitrate(0, 1_000_000)
  return pacer
}

function push(
  pacer: Pacer<string>,
  now: number,
  count: number,
  priority: PacerPriority = 'video',
  size = 1250,
): void {
  for (let i = 0; i < count; i++) pacer.push(now, `${priority} ${i}`, size, priority)
}

describe('what is discarded', () => {
  it('counts for nothing: the others go as if it had never been there', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = new SeededRandom(seed)
      const [pacer, twin] = [paced({ maxQueueTime: 300 }), paced({ maxQueueTime: 300 })]
      let now = 0
      for (let i = 0; i < 200; i++) {
        now += random.integer(3)
        // not the first, from which times are counted: these are the same to the last bit
        const isGone = i > 0 && random.chance(0.5)
        const priority = (['audio', 'retransmission', 'video'] as const)[random.integer(3)]!
        const size = 1 + random.integer(1500)
        pacer.push(now, isGone ? 'gone' : `${i}`, size, priority)
        if (!isGone) twin.push(now, `${i}`, size, priority)
      }
      pacer.discard((name) => name === 'gone')
      // the last may have been one of those
      twin.setBitrate(now, 1_000_000)
      const waiting = ({ queuedPackets, queuedBytes, queueTime }: Pacer<string>): number[] => [
        queuedPackets,
        queuedBytes,
        queueTime,
      ]
      expect(waiting(pacer), `seed ${seed}`).toEqual(waiting(twin))
      expect(drive(pacer, now, 60_000), `seed ${seed}`).toEqual(drive(twin, now, 60_000))
      expect(pacer.deadline).toBe(Infinity)
    }
  })

  it('is no part of a probe', () => {
    const pacer = paced()
    push(pacer, 0, 20)
    pacer.startProbe(0, { id: 7, bitrate: 5_000_000, minBytes: 5000, minPackets: 5 })
    pacer.discard((name) => name !== 'video 19')
    expect([pacer.poll(0), pacer.probe]).toEqual(['video 19', 7])
    expect(pacer.paddingDue(pacer.deadline)).toBeGreaterThan(0)
  })
})

describe('order', () => {
  it('is audio, retransmissions, video, and first in, first out', () => {
    const pacer = paced()
    push(pacer, 0, 2, 'video')
    push(pacer, 0, 2, 'retransmission')
    push(pacer, 0, 2, 'audio')
    expect(drive(pacer, 0, 1000).map(({ name }) => name)).toEqual([
      'audio 0',
      'audio 1',
      'retransmission 0',
      'retransmission 1',
      'video 0',
      'video 1',
    ])
  })

  it('audio goes at once, and is part of what the rate allows', () => {
    const pacer = paced()
    push(pacer, 0, 3)
    expect(drive(pacer, 0, 5).map(({ name }) => name)).toEqual(['video 0'])
    pacer.push(5, 'audio', 1250, 'audio')
    expect(pacer.deadline).toBe(5)
    expect(drive(pacer, 5, 5)).toEqual([{ at: 5, name: 'audio', probe: undefined }])
    // the first video until 10, the audio until 20
    expect(drive(pacer, 5, 100)).toEqual([
      { at: 20, name: 'video 1', probe: undefined },
      { at: 30, name: 'video 2', probe: undefined },
    ])
  })

  it('audio beyond the rate holds the others back for half a second at most', () => {
    const pacer = paced()
    push(pacer, 0, 1000, 'audio')
    expect(drive(pacer, 0, 0)).toHaveLength(1000)
    push(pacer, 0, 1)
    expect(pacer.deadline).toBe(500)
  })
})

describe('rate', () => {
  it('is the factor times the bitrate', () => {
    const pacer = new Pacer<string>()
    pacer.setBitrate(0, 1_000_000)
    push(pacer, 0, 500)
    const sent = drive(pacer, 0, 1000)
    // 2.5 Mbit/s
    expect(sent.length).toBeGreaterThanOrEqual(250)
    expect(sent.length).toBeLessThanOrEqual(253)
  })

  it('small packets go in lumps of 5 ms', () => {
    const pacer = paced()
    push(pacer, 0, 1000, 'video', 125)
    const sent = drive(pacer, 0, 100)
    const times = new Set(sent.map(({ at }) => Math.round(at)))
    // of 1 ms each: six at first, and whenever these are paid for
    expect([...times].slice(0, 4)).toEqual([0, 5, 10, 15])
    expect(sent.length).toBeLessThanOrEqual(105)
    expect(sent.length).toBeGreaterThanOrEqual(100)
  })

  it('the first packet after a pause goes at once, and none of the time before is made up for', () => {
    const pacer = paced()
    push(pacer, 0, 1)
    drive(pacer, 0, 5000)
    push(pacer, 5000, 3)
    expect(drive(pacer, 5000, 6000).map(({ at }) => at)).toEqual([5000, 5010, 5020])
  })

  it('changes while packets wait', () => {
    const pacer = paced()
    push(pacer, 0, 3)
    expect(drive(pacer, 0, 1)).toHaveLength(1)
    pacer.setBitrate(5, 100_000)
    expect(pacer.deadline).toBeCloseTo(55, 6)
    pacer.setBitrate(15, 1_000_000)
    expect(pacer.deadline).toBeCloseTo(19, 6)
  })

  it('rises where packets would wait too long', () => {
    const pacer = paced({ maxQueueTime: 200 })
    push(pacer, 0, 100)
    // a second of packets; they are gone when they have waited for 0.2 s on average
    expect(pacer.queueTime).toBeLessThanOrEqual(200)
    const sent = drive(pacer, 0, 10_000)
    expect(sent).toHaveLength(100)
    expect(sent.at(-1)!.at).toBeLessThan(210)
    expect(sent.at(-1)!.at).toBeGreaterThan(150)
  })

  it('what comes all the time beyond the rate does not wait longer', () => {
    const pacer = paced({ maxQueueTime: 300 })
    const waited: number[] = []
    for (let now = 0; now < 5000; now += 5) {
      pacer.push(now, `${now}`, 1250, 'video')
      for (const { at, name } of drive(pacer, now, now + 4.999)) waited.push(at - Number(name))
    }
    expect(Math.max(...waited)).toBeLessThanOrEqual(300)
    expect(pacer.queueTime).toBeLessThan(301)
  })
})

describe('what waits', () => {
  it('is counted', () => {
    const pacer = paced()
    expect([pacer.queuedPackets, pacer.queuedBytes, pacer.queueTime, pacer.deadline]).toEqual([
      0,
      0,
      0,
      Infinity,
    ])
    push(pacer, 0, 2)
    push(pacer, 0, 1, 'audio', 100)
    push(pacer, 0, 1, 'retransmission', 150)
    expect([pacer.queuedPackets, pacer.queuedBytes]).toEqual([4, 2750])
    expect(pacer.queueTime).toBeCloseTo(22, 6)
    drive(pacer, 0, 1000)
    expect([pacer.queuedPackets, pacer.queuedBytes, pacer.queueTime, pacer.deadline]).toEqual([
      0,
      0,
      0,
      Infinity,
    ])
  })
})

describe('probes', () => {
  const cluster = { id: 7, bitrate: 5_000_000, minPackets: 5, minBytes: 6000 }

  it('send what waits at their rate, then the rest as before', () => {
    const pacer = paced()
    push(pacer, 0, 8)
    pacer.startProbe(0, cluster)
    const sent = drive(pacer, 0, 1000)
    // 2 ms each
    expect(sent.slice(0, 5).map(({ at }) => Math.round(at))).toEqual([0, 2, 4, 6, 8])
    expect(sent.map(({ probe }) => probe)).toEqual([7, 7, 7, 7, 7, undefined, undefined, undefined])
    expect(sent[5]!.at).toBeGreaterThan(40)
  })

  it('wait for their own time where the rate would allow more', () => {
    const pacer = paced({ pacingFactor: 100 })
    push(pacer, 0, 5)
    pacer.startProbe(0, cluster)
    expect(drive(pacer, 0, 1000).map(({ at }) => Math.round(at))).toEqual([0, 2, 4, 6, 8])
  })

  it('ask for padding where nothing waits', () => {
    const pacer = paced()
    pacer.startProbe(0, cluster)
    let packets = 0
    let bytes = 0
    for (let now = 0; now < 1000; now = pacer.deadline) {
      expect(pacer.poll(now)).toBeUndefined()
      for (let size = pacer.paddingDue(now); size > 0; size = pacer.paddingDue(now)) {
        expect(size).toBe(2500)
        expect(pacer.probe).toBe(7)
        pacer.handlePadding(now, 1250)
        packets++
        bytes += 1250
      }
      expect(pacer.poll(now)).toBeUndefined()
      expect(pacer.deadline).toBeGreaterThan(now)
    }
    expect([packets, bytes]).toEqual([5, 6250])
    expect(pacer.deadline).toBe(Infinity)
  })

  it('go on with packets where there is no padding, and are given up after a second', () => {
    const pacer = paced()
    pacer.startProbe(0, cluster)
    pacer.startProbe(0, { ...cluster, id: 8 })
    expect(pacer.deadline).toBe(0)
    expect(pacer.poll(0)).toBeUndefined()
    expect(pacer.paddingDue(0)).toBeGreaterThan(0)
    // it was asked, and nothing came
    expect(pacer.deadline).toBe(1000)
    push(pacer, 500, 1)
    expect(drive(pacer, 500, 500)).toEqual([{ at: 500, name: 'video 0', probe: 7 }])
    expect(drive(pacer, 502, 999)).toEqual([])
    expect(pacer.poll(1000)).toBeUndefined()
    expect(pacer.paddingDue(1000)).toBeGreaterThan(0)
    expect(pacer.probe).toBe(8)
    expect(drive(pacer, 1000, 10_000)).toEqual([])
    expect(pacer.deadline).toBe(Infinity)
  })

  it('come one after the other', () => {
    const pacer = paced()
    push(pacer, 0, 10)
    pacer.startProbe(0, cluster)
    pacer.startProbe(0, { ...cluster, id: 8, bitrate: 10_000_000 })
    expect(drive(pacer, 0, 1000).map(({ probe }) => probe)).toEqual([7, 7, 7, 7, 7, 8, 8, 8, 8, 8])
  })

  it('of which too many are given: the oldest go', () => {
    const pacer = paced()
    push(pacer, 0, 5)
    for (let id = 0; id < 1000; id++) pacer.startProbe(0, { ...cluster, id })
    expect(drive(pacer, 0, 1)[0]!.probe).toBe(992)
  })

  it('let audio through between two packets, which is no part of them', () => {
    const pacer = paced()
    push(pacer, 0, 5)
    pacer.startProbe(0, cluster)
    expect(drive(pacer, 0, 1)).toHaveLength(1)
    pacer.push(1, 'audio', 100, 'audio')
    expect(drive(pacer, 1, 1)).toEqual([{ at: 1, name: 'audio', probe: undefined }])
  })
})

describe('S22: a timer that never advances', () => {
  it('is not to be had by any order of calls', () => {
    for (let seed = 0; seed < 30; seed++) {
      const random = new SeededRandom(seed)
      const pacer = new Pacer<number>({
        maxQueueTime: 10 + 1000 * random.float(),
        pacingFactor: 0.5 + 3 * random.float(),
      })
      let now = 0
      let [pushed, polled, bytes] = [0, 0, 0]
      for (let step = 0; step < 2000; step++) {
        now += random.chance(0.1) ? 300 * random.float() : 3 * random.float()
        if (random.chance(0.05)) pacer.setBitrate(now, 10_000 * 1000 ** random.float())
        if (random.chance(0.02)) {
          pacer.startProbe(now, {
            id: step,
            bitrate: 1e5 * 100 ** random.float(),
            minPackets: 5,
            minBytes: 3000,
          })
        }
        while (random.chance(0.6)) {
          const size = random.integer(1400)
          pacer.push(now, size, size, (['audio', 'retransmission', 'video'] as const)[random.integer(3)]!)
          pushed++
          bytes += size
        }
        for (let size = pacer.poll(now); size !== undefined; size = pacer.poll(now)) {
          polled++
          bytes -= size
        }
        if (!(pacer.deadline > now)) expect.fail(`seed ${seed}: ${pacer.deadline} at ${now}`)
        if (pacer.paddingDue(now) > 0 && random.chance(0.5)) pacer.handlePadding(now, 200)
        expect([pacer.queuedPackets, pacer.queuedBytes]).toEqual([pushed - polled, bytes])
      }
      // all that waits goes
      for (let rounds = 0; pacer.queuedPackets > 0; rounds++) {
        now = pacer.deadline
        if (pacer.poll(now) === undefined && rounds > 100_000)
          expect.fail(`seed ${seed}: ${pacer.queuedPackets} stay`)
      }
      expect(pacer.queueTime).toBe(0)
    }
  })

  it('nor by a clock that goes back', () => {
    const pacer = paced()
    push(pacer, 100, 3)
    expect(pacer.poll(50)).toBe('video 0')
    expect(pacer.poll(0)).toBeUndefined()
    expect(pacer.deadline).toBe(110)
  })
})

describe('usage', () => {
  it('is told apart from what can be done', () => {
    expect(() => new Pacer({ pacingFactor: 0 })).toThrow(UsageError)
    expect(() => new Pacer({ maxQueueTime: Number.NaN })).toThrow(UsageError)
    const pacer = paced()
    expect(() => pacer.setBitrate(0, 0)).toThrow(UsageError)
    expect(() => pacer.setBitrate(0, Infinity)).toThrow(UsageError)
    expect(() => pacer.push(0, 'x', -1, 'video')).toThrow(UsageError)
    expect(() => pacer.handlePadding(0, Number.NaN)).toThrow(
      expect.objectContaining({ code: 'invalid-size' }),
    )
    // an infinite time is what `deadline` may answer: probes would be made up to it one after the other, without end
    for (const now of [Number.NaN, Infinity]) {
      const refused = expect.objectContaining({ code: 'invalid-time' })
      expect(() => pacer.poll(now)).toThrow(refused)
      expect(() => pacer.paddingDue(now)).toThrow(refused)
      expect(() => pacer.setBitrate(now, 1e6)).toThrow(refused)
    }
    pacer.push(5, 'x', 100, 'video')
    expect(pacer.poll(5)).toBe('x')
    pacer.setBitrate(5, 1e6)
    expect(() => pacer.push(Infinity, 'x', 1, 'video')).toThrow(
      expect.objectContaining({ code: 'invalid-time' }),
    )
    expect(pacer.queuedPackets).toBe(0)
  })
})

it('takes no padding of a size that is none, after which nothing would go out any more', () => {
  const pacer = new Pacer<number>()
  expect(() => pacer.handlePadding(0, Number.NaN)).toThrow(expect.objectContaining({ code: 'invalid-size' }))
  expect(() => pacer.push(0, 1, Number.NaN, 'video')).toThrow(
    expect.objectContaining({ code: 'invalid-size' }),
  )
  pacer.push(0, 1, 1200, 'video')
  expect(pacer.poll(0)).toBe(1)
})
