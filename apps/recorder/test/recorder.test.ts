import { describe, expect, it } from 'vitest'
import {
  MAX_GROUP_BYTES,
  MAX_HELD_FRAMES,
  MAX_VIDEO_LAG,
  Recorder,
  REPORT_WAIT,
  START_WAIT,
} from '../src/recorder.ts'
import { ListSink, picture, picture264, sound, vp8 } from './frames.ts'

const KEY = vp8(1000, [640, 480])
const DELTA = vp8(100)

/** One that does not wait for sender reports, unless it is told to. */
function recorder({ video = true, audio = true, reportWait = 0 } = {}) {
  const sink = new ListSink()
  const made = { sink, requests: 0 }
  const machine = new Recorder({
    ...(video ? { video: '1' } : {}),
    ...(audio ? { audio: '0' } : {}),
    sink,
    reportWait,
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

  it('end with the last picture, wherever the last gap was', () => {
    const { machine, sink } = started()
    const times = [33, 66, 5000, 5040, 5080]
    for (const ms of times) machine.handleFrame(picture(ms, DELTA))
    const ends = sink.packets.map(({ time, duration }) => Math.round(1000 * (time + duration)))
    expect(Math.max(...ends)).toBe(5120)
    // a slow picture lasts as long as it does
    for (const ms of [7080, 9080]) machine.handleFrame(picture(ms, DELTA))
    expect(sink.packets.findLast(({ kind }) => kind === 'video')!.duration).toBeCloseTo(2, 3)
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

describe('sender reports', () => {
  /** The sender's wall clock when `ms` was captured. */
  const captured = (ms: number) => ({ captureTime: 1_800_000_000_000 + ms })
  const waiting = () => recorder({ reportWait: REPORT_WAIT })

  it('put sound and picture in step, whichever way is the longer; frames are held until then', () => {
    for (const [soundLate, pictureLate] of [
      [300, 0],
      [0, 300],
    ] as const) {
      const { machine, sink } = waiting()
      const frames = [
        ...[0, 100, 200, 300, 400, 500].map((ms) =>
          picture(ms, ms === 0 ? KEY : DELTA, { late: pictureLate, ...(ms < 200 ? {} : captured(ms)) }),
        ),
        ...[0, 100, 200, 300, 400, 500].map((ms) =>
          sound(ms, { late: soundLate, ...(ms < 300 ? {} : captured(ms)) }),
        ),
      ].toSorted((a, b) => a.receivedAt - b.receivedAt)
      const starts = frames.map((frame) => {
        machine.handleFrame(frame)
        return machine.started
      })
      // with the first frame by which both are known
      const known = frames.findIndex(
        ({ receivedAt }) => receivedAt === 5000 + Math.max(300 + soundLate, 200 + pictureLate),
      )
      expect(starts.indexOf(true)).toBe(known)
      expect(sink.times('video')).toEqual([0, 100, 200, 300, 400, 500])
      expect(sink.times('audio')).toEqual([0, 100, 200, 300, 400, 500])
      expect(machine.statistics).toMatchObject({ beforeStart: 0, videoFrames: 6, audioPackets: 6 })
    }
  })

  it('that do not come are not waited for', () => {
    const { machine, sink } = waiting()
    for (let ms = 0; ms <= REPORT_WAIT + 200; ms += 100) {
      machine.handleFrame(picture(ms, ms === 0 ? KEY : DELTA))
      machine.handleFrame(sound(ms, { late: 40 }))
      expect(machine.started, `after ${ms} ms`).toBe(ms + 40 >= REPORT_WAIT)
    }
    // by the arrivals
    expect(sink.times('audio').slice(0, 3)).toEqual([40, 140, 240])
    expect(sink.times('video').slice(0, 3)).toEqual([0, 100, 200])
    // and what they say later moves nothing
    machine.handleFrame(sound(REPORT_WAIT + 300, { late: 40, ...captured(REPORT_WAIT + 300) }))
    expect(sink.times('audio').at(-1)).toBe(REPORT_WAIT + 340)
  })

  it('are heeded once: clocks that run apart later move nothing', () => {
    const { machine, sink } = waiting()
    machine.handleFrame(picture(0, KEY, captured(0)))
    machine.handleFrame(sound(0, { late: 200, ...captured(0) }))
    machine.handleFrame(sound(20, { late: 200, ...captured(500) }))
    machine.handleFrame(picture(33, DELTA, captured(-900)))
    expect(sink.times('audio')).toEqual([0, 20])
    expect(sink.times('video')).toEqual([0, 33])
  })

  it('of sound that starts later put it in step too', () => {
    const { machine, sink } = waiting()
    for (let ms = 0; ms <= 7000; ms += 100)
      machine.handleFrame(picture(ms, ms === 0 ? KEY : DELTA, captured(ms)))
    machine.handleFrame(sound(7000, { late: 300, ...captured(7000) }))
    machine.handleFrame(sound(7020, { late: 300 }))
    expect(sink.times('audio').slice(-2)).toEqual([7000, 7020])
  })

  it('that are seconds off are no clock to go by', () => {
    const { machine, sink } = waiting()
    machine.handleFrame(picture(0, KEY, captured(0)))
    machine.handleFrame(sound(0, { late: 50, captureTime: 5 }))
    expect(sink.times('audio')).toEqual([50])
  })

  it('are not waited for at the end, nor where there is no sound', () => {
    const made = waiting()
    made.machine.handleFrame(sound(0))
    made.machine.finish()
    expect(made.machine.started).toBe(false)
    made.machine.handleFrame(picture(10, KEY))
    expect(made.machine.started).toBe(false)
    made.machine.finish()
    made.machine.finish()
    expect(made.sink.times('video')).toEqual([0])
    const silent = recorder({ audio: false, reportWait: REPORT_WAIT })
    silent.machine.handleFrame(picture(0, KEY))
    expect(silent.sink.times('video')).toEqual([0])
  })

  it('exhaust: no more is held than that', () => {
    const { machine, sink } = waiting()
    // sound before the picture: the oldest goes
    for (let i = 0; i < MAX_HELD_FRAMES + 100; i++) machine.handleFrame(sound(i))
    expect(machine.statistics.beforeStart).toBe(101)
    machine.handleFrame(picture(MAX_HELD_FRAMES + 100, KEY))
    expect(machine.started).toBe(true)
    expect(sink.times('video')).toEqual([0])
    const large = waiting()
    for (let ms = 0; ms < 20; ms++)
      large.machine.handleFrame(picture(ms, vp8(1 << 20, ms === 0 ? [640, 480] : undefined)))
    expect(large.sink.times('video')).toHaveLength(20)
  })

  it('a file that cannot be written from the start on waits for a keyframe', () => {
    const { machine, sink } = waiting()
    machine.handleFrame(picture(0, KEY))
    machine.handleFrame(picture(33, DELTA))
    sink.full = true
    machine.finish()
    sink.full = false
    machine.handleFrame(picture(66, DELTA))
    machine.handleFrame(picture(100, KEY))
    expect(sink.times('video')).toEqual([100])
    expect(machine.statistics).toMatchObject({ congested: 1, undecodable: 2 })
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
