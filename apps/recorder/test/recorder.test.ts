import { describe, expect, it } from 'vitest'
import { MAX_GROUP_BYTES, MAX_VIDEO_LAG, Recorder, START_WAIT } from '../src/recorder.ts'
import { ListSink, picture, picture264, sound, vp8 } from './frames.ts'

const KEY = vp8(1000, [640, 480])
const DELTA = vp8(100)

function recorder({ video = true, audio = true } = {}) {
  const sink = new ListSink()
  const made = { sink, requests: 0 }
  const machine = new Recorder({
    ...(video ? { video: '1' } : {}),
    ...(audio ? { audio: '0' } : {}),
    sink,
    requestKeyframe: () => {
      made.requests++
    },
  })
  return Object.assign(made, { machine })
}

/** A recording under way: a keyframe at 0. */
function started() {
  const made = recorder()
  made.machine.handleFrame(picture(0, KEY))
  return made
}

describe('the file starts', () => {
  it('with a keyframe, which is asked for, and says what is in it', () => {
    const { machine, sink, ...made } = recorder()
    machine.handleFrame(picture(0, DELTA))
    machine.handleFrame(picture(33, DELTA))
    expect(machine.started).toBe(false)
    machine.handleFrame(picture(100, KEY))
    machine.handleFrame(picture(133, DELTA))
    expect(sink.tracks).toEqual({
      video: { codec: 'vp8', codecString: 'vp8', width: 640, height: 480 },
      audio: true,
    })
    expect(sink.times('video')).toEqual([0, 33])
    expect(sink.packets.map(({ keyframe }) => keyframe)).toEqual([true, false])
    expect(machine.statistics).toMatchObject({ videoFrames: 2, beforeStart: 2 })
    expect(made.requests).toBe(0)
  })

  it('asking again each second while none comes', () => {
    const made = recorder()
    for (let ms = 0; ms < 3000; ms += 33) made.machine.handleFrame(picture(ms, DELTA))
    expect(made.requests).toBe(3)
  })

  it('with H.264 only where the parameter sets are there', () => {
    const { machine, sink } = recorder()
    machine.handleFrame(picture264(0, true, { data: Uint8Array.of(0, 0, 0, 1, 0x65, 1, 2) }))
    expect(machine.started).toBe(false)
    machine.handleFrame(picture264(33, true))
    expect(sink.tracks?.video).toEqual({ codec: 'avc', codecString: 'avc1.42c00d', width: 320, height: 240 })
  })

  it('with sound alone where no picture comes', () => {
    const { machine, sink } = recorder()
    for (let ms = 0; ms <= START_WAIT; ms += 20) machine.handleFrame(sound(ms))
    machine.handleFrame(picture(START_WAIT + 1, KEY))
    expect(sink.tracks).toEqual({ video: undefined, audio: true })
    expect(sink.times('audio')).toEqual([0])
    expect(machine.statistics.unsuitable).toBe(1)
  })

  it('at once where sound is all that was agreed on', () => {
    const { machine, sink } = recorder({ video: false })
    machine.handleFrame(sound(0))
    machine.handleFrame(sound(20))
    expect(sink.times('audio')).toEqual([0, 20])
    expect(sink.packets[0]!.duration).toBe(0.02)
  })
})

describe('sound and picture', () => {
  it('are in step by the frames that came quickest before the start', () => {
    const { machine, sink } = recorder()
    // both are on their way for 50 ms at least; the sound just before the keyframe was held up
    for (const [ms, late] of [
      [0, 60],
      [20, 50],
      [40, 70],
      [60, 120],
    ] as const) {
      machine.handleFrame(sound(ms, { late }))
    }
    machine.handleFrame(picture(100, KEY, { late: 50 }))
    machine.handleFrame(sound(80, { late: 150 }))
    machine.handleFrame(sound(100, { late: 130 }))
    machine.handleFrame(sound(120, { late: 110 }))
    expect(sink.times('audio')).toEqual([0, 20])
    expect(machine.statistics.beforeStart).toBe(5)
  })

  it('keep the length of a gap', () => {
    const { machine, sink } = started()
    for (const ms of [0, 20, 40, 500, 520]) machine.handleFrame(sound(ms, { contiguous: ms !== 500 }))
    // that which came late is not where it came, but where it belongs
    machine.handleFrame(picture(700, DELTA, { late: 400 }))
    machine.handleFrame(picture(733, DELTA))
    expect(sink.times('audio')).toEqual([0, 20, 40, 500, 520])
    expect(sink.times('video')).toEqual([0, 700, 733])
  })

  it('go on where another source takes over, or the clock jumps', () => {
    const { machine, sink } = started()
    machine.handleFrame(sound(0))
    machine.handleFrame(sound(20, { ssrc: 9, time: { value: 5, clockRate: 48_000 } }))
    machine.handleFrame(sound(40, { ssrc: 9, time: { value: 5 + 960, clockRate: 48_000 } }))
    machine.handleFrame(sound(60, { ssrc: 9, time: { value: 5e9, clockRate: 48_000 } }))
    machine.handleFrame(sound(80, { ssrc: 9, time: { value: 5e9 + 960, clockRate: 48_000 } }))
    // and one that seems to come from the past still comes later than what is there
    machine.handleFrame(sound(80, { ssrc: 9, time: { value: 5e9 + 900, clockRate: 48_000 } }))
    expect(sink.times('audio')).toEqual([0, 20, 40, 60, 80, 81])
  })

  it('do not wait for a microphone that is muted', () => {
    const { machine, sink } = started()
    for (let ms = 33; ms < 20_000; ms += 33) machine.handleFrame(picture(ms, DELTA))
    const silence = sink.times('audio')
    expect(silence.length).toBe(machine.statistics.silence)
    const gaps = silence.map((time, i) => time - (silence[i - 1] ?? 0))
    expect(Math.max(...gaps)).toBeLessThan(3100)
    // it speaks again
    machine.handleFrame(sound(20_000))
    expect(sink.times('audio').at(-1)).toBe(20_000)
  })

  it('part where the picture stays away for long', () => {
    const { machine, sink } = started()
    for (let ms = 0; ms <= MAX_VIDEO_LAG * 1000; ms += 20) machine.handleFrame(sound(ms))
    expect(sink.videoEnded).toBe(false)
    machine.handleFrame(sound(MAX_VIDEO_LAG * 1000 + 20))
    expect(sink.videoEnded).toBe(true)
    machine.handleFrame(picture(MAX_VIDEO_LAG * 1000 + 40, KEY))
    expect(machine.statistics).toMatchObject({ unsuitable: 1, videoFrames: 1 })
  })
})

describe('after a loss', () => {
  it('the picture waits for a keyframe, which is asked for', () => {
    const made = started()
    const { machine, sink } = made
    machine.handleFrame(picture(33, DELTA))
    machine.handleFrame(picture(100, DELTA, { contiguous: false }))
    machine.handleFrame(picture(133, DELTA))
    expect(made.requests).toBe(1)
    machine.handleFrame(picture(166, KEY))
    machine.handleFrame(picture(200, DELTA))
    expect(sink.times('video')).toEqual([0, 33, 166, 200])
    expect(machine.statistics.undecodable).toBe(2)
  })

  it('a keyframe is taken at once', () => {
    const { machine, sink } = started()
    machine.handleFrame(picture(100, KEY, { contiguous: false }))
    expect(sink.times('video')).toEqual([0, 100])
  })

  it('or where the file cannot keep up, or a group of pictures has no end, the same', () => {
    const { machine, sink } = started()
    sink.full = true
    machine.handleFrame(picture(33, DELTA))
    sink.full = false
    machine.handleFrame(picture(66, DELTA))
    machine.handleFrame(picture(100, KEY))
    expect(sink.times('video')).toEqual([0, 100])
    machine.handleFrame(picture(133, new Uint8Array(MAX_GROUP_BYTES).fill(1)))
    machine.handleFrame(picture(166, DELTA))
    machine.handleFrame(picture(200, KEY))
    expect(sink.times('video')).toEqual([0, 100, 133, 200])
    expect(machine.statistics).toMatchObject({ congested: 1, undecodable: 2 })
  })
})

describe('in mid-call', () => {
  it('a keyframe is asked for every five seconds', () => {
    const made = started()
    let answered = 0
    for (let ms = 33; ms < 21_000; ms += 33) {
      const asked = made.requests > answered
      answered = made.requests
      made.machine.handleFrame(picture(ms, asked ? KEY : DELTA))
    }
    expect(made.requests).toBe(4)
  })

  it('the picture may change its size', () => {
    const { machine, sink } = started()
    machine.handleFrame(picture(33, vp8(500, [320, 240])))
    machine.handleFrame(picture(66, DELTA))
    expect(sink.times('video')).toEqual([0, 33, 66])
  })

  it('frames of another codec, section or encoding are left out', () => {
    const { machine, sink } = started()
    machine.handleFrame(picture264(33, true))
    machine.handleFrame(picture(66, KEY, { mid: '2' }))
    machine.handleFrame(picture(100, KEY, { rid: 'h' }))
    machine.handleFrame({ ...sound(20), codec: { ...sound(20).codec, name: 'PCMU' } })
    machine.handleFrame(sound(20, { data: new Uint8Array(0) }))
    expect(sink.packets).toHaveLength(1)
    expect(machine.statistics.unsuitable).toBe(5)
  })
})
