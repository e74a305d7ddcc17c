import { describe, expect, it } from 'vitest'
import type { MediaPacket, PacketSource } from '../src/playable-file.ts'
import { Playback } from '../src/playback.ts'

/** A film in memory: 25 pictures a second with a keyframe each `group`, and sound. */
class Film implements PacketSource {
  readonly packets: MediaPacket[] = []

  constructor(seconds: number, group: number, audioTimes = (ms: number): number => ms / 1000) {
    for (let ms = 0; ms < seconds * 1000; ms += 20) {
      if (ms % 40 === 0) {
        const keyframe = ms % (group * 1000) === 0
        this.packets.push({
          kind: 'video',
          data: Uint8Array.of(1),
          time: ms / 1000,
          duration: 0.04,
          keyframe,
        })
      }
      const data = Uint8Array.of(0xfc)
      this.packets.push({ kind: 'audio', data, time: audioTimes(ms), duration: 0, keyframe: true })
    }
  }

  async *packetsFrom(time: number): AsyncGenerator<MediaPacket, void> {
    yield* this.packets.filter((packet) => packet.time >= time)
  }

  keyframeAfter(time: number): Promise<number | undefined> {
    return Promise.resolve(this.packets.find((packet) => isKeyframe(packet) && packet.time > time)?.time)
  }
}

const isKeyframe = ({ kind, keyframe }: MediaPacket): boolean => kind === 'video' && keyframe

interface Sent {
  readonly at: number
  readonly packet: MediaPacket
  readonly time: number
}

/** Plays in virtual time, from 1000 ms on. A keyframe is asked for at `requests`, ms. Stops at `until`. */
async function run(
  source: Film,
  { requests = [] as number[], loop = false, until = Infinity, step = 0, roundTripTime = 200 } = {},
) {
  const sent: Sent[] = []
  let now = 1000
  const playback = new Playback({
    source,
    from: 0,
    loop,
    send: (packet, time) => sent.push({ at: now, packet, time }),
  })
  const due = [...requests]
  while (!playback.ended && now < until) {
    if (due[0] !== undefined && due[0] <= now) {
      due.shift()
      await playback.requestKeyframe(now, roundTripTime)
    }
    await playback.fill(now)
    const at = playback.advance(now)
    if (at === Infinity) break
    now = Math.max(now + step, Math.min(at, due[0] ?? Infinity))
  }
  return { sent, playback }
}

function expectRising(sent: readonly Sent[]): void {
  for (const kind of ['audio', 'video']) {
    const times = sent.filter(({ packet }) => packet.kind === kind).map(({ time }) => time)
    for (let i = 1; i < times.length; i++) expect(times[i]).toBeGreaterThan(times[i - 1]!)
  }
}

describe('a film', () => {
  it('is sent whole, in order, each packet in its time', async () => {
    const film = new Film(4, 1)
    const { sent, playback } = await run(film)
    expect(sent.map(({ packet }) => packet)).toEqual(film.packets)
    for (const { at, packet, time } of sent) {
      expect(at).toBeCloseTo(1000 + packet.time * 1000, 6)
      expect(time).toBeCloseTo(packet.time, 9)
    }
    expect(playback).toMatchObject({ sent: film.packets.length, jumps: 0, ended: true })
  })

  it('is sent whole where the timer is late', async () => {
    const film = new Film(4, 1)
    const { sent } = await run(film, { step: 130 })
    expect(sent.map(({ packet }) => packet)).toEqual(film.packets)
    expect(Math.max(...sent.map(({ at, packet }) => at - 1000 - packet.time * 1000))).toBeLessThan(131)
  })

  it('starts over where it is told to, and its clock goes on', async () => {
    const film = new Film(2, 1)
    const { sent } = await run(film, { loop: true, until: 6500 })
    expect(sent.length).toBeGreaterThan(2.5 * film.packets.length)
    expectRising(sent)
    for (const { at, time } of sent) expect(at - 1000).toBeCloseTo(time * 1000, 3)
  })

  it('of nothing ends, even where it is to start over', async () => {
    const { sent, playback } = await run(new Film(0, 1), { loop: true })
    expect(sent).toEqual([])
    expect(playback.ended).toBe(true)
  })

  it('has sound without steps where its times are rounded', async () => {
    const film = new Film(2, 1, (ms) => Math.round(ms * 1.0001 + 6.5) / 1000)
    const { sent } = await run(film)
    const times = sent.filter(({ packet }) => packet.kind === 'audio').map(({ time }) => time)
    for (let i = 1; i < times.length; i++) expect(times[i]! - times[i - 1]!).toBeCloseTo(0.02, 6)
  })

  it('has sound with a gap where there is one', async () => {
    const film = new Film(2, 1, (ms) => (ms < 1000 ? ms : ms + 500) / 1000)
    const { sent } = await run(film)
    const times = sent.filter(({ packet }) => packet.kind === 'audio').map(({ time }) => time)
    expect(Math.max(...times.slice(1).map((time, i) => time - times[i]!))).toBeCloseTo(0.52, 6)
  })
})

describe('a request for a keyframe', () => {
  it('plays again from the one sent last', async () => {
    const film = new Film(6, 2)
    const { sent, playback } = await run(film, { requests: [3999] })
    // at 2999 ms of the film: again from 2000 ms
    const keyframes = sent.filter(({ packet }) => isKeyframe(packet))
    expect(keyframes.map(({ packet }) => packet.time)).toEqual([0, 2, 2, 4])
    expect(keyframes[2]!.at).toBeCloseTo(4000, -1)
    expect(playback.jumps).toBe(1)
    expectRising(sent)
    for (const { at, time } of sent) expect(Math.abs(at - 1000 - time * 1000)).toBeLessThan(25)
  })

  it('that comes again jumps to the next, and to the same where there is none', async () => {
    const { sent } = await run(new Film(4, 2), { requests: [2000, 3000, 4000, 5000] })
    const keyframes = sent.filter(({ packet }) => isKeyframe(packet))
    expect(keyframes.map(({ packet }) => packet.time)).toEqual([0, 0, 2, 2, 2])
    expectRising(sent)
  })

  it('is not answered while one is on its way, or before the first', async () => {
    const { playback } = await run(new Film(2, 2), { requests: [0, 1000, 1100, 1190] })
    expect(playback.jumps).toBe(0)
  })

  it('is answered at once where the first keyframe was lost', async () => {
    const { sent, playback } = await run(new Film(4, 2), { requests: [1050], roundTripTime: 40 })
    expect(playback.jumps).toBe(1)
    const keyframes = sent.filter(({ packet }) => isKeyframe(packet))
    expect(keyframes.map(({ packet }) => packet.time)).toEqual([0, 0, 2])
    expect(keyframes[1]!.at - 1050).toBeLessThan(40)
    expectRising(sent)
  })
})
