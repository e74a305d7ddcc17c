import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { hasV8Heap } from '../../../vitest.alone.ts'
import {
  type Depacketizer,
  depacketizerFor,
  type Frame,
  FrameAssembler,
  h264Depacketizer,
  MAX_REORDERED_BYTES,
  MAX_REORDERED_PACKETS,
  vp8Depacketizer,
  wholePayloadDepacketizer,
} from '../src/index.ts'
import { forSeeds } from './seeds.ts'

const START = 0x10
const KEY = 0x00
const DELTA = 0x01

/** A VP8 payload: the first of a frame, or one that follows. */
const first = (type: number, id = 0): Uint8Array => Uint8Array.of(START, type, id)
const following = (id = 0): Uint8Array => Uint8Array.of(0, id)

function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}

function drain(assembler: FrameAssembler): Frame[] {
  const frames: Frame[] = []
  for (let frame = assembler.pollFrame(); frame !== undefined; frame = assembler.pollFrame())
    frames.push(frame)
  return frames
}

class Video {
  readonly assembler = new FrameAssembler(vp8Depacketizer, 200)
  now = 0

  /** One packet. */
  put(sequenceNumber: number, timestamp: number, marker: boolean, payload: Uint8Array): Frame[] {
    this.assembler.handlePacket(
      this.now,
      { sequenceNumber: sequenceNumber & 0xffff, timestamp, marker },
      payload,
    )
    return drain(this.assembler)
  }

  /** A frame of one packet. */
  frame(sequence: number, type = DELTA): Frame[] {
    return this.put(sequence, (sequence * 3000) >>> 0, true, first(type, sequence & 0xff))
  }

  timeout(now: number): Frame[] {
    this.now = now
    this.assembler.handleTimeout(now)
    return drain(this.assembler)
  }
}

class Audio {
  readonly assembler = new FrameAssembler(wholePayloadDepacketizer, 100)
  now = 0

  put(sequence: number): number[] {
    const header = { sequenceNumber: sequence & 0xffff, timestamp: (sequence * 960) >>> 0, marker: false }
    this.assembler.handlePacket(this.now, header, Uint8Array.of(sequence & 0xff))
    return drain(this.assembler).map(({ data }) => data[0]!)
  }
}

describe('order', () => {
  it('hands frames on as soon as their marker is there', () => {
    const video = new Video()
    expect(video.put(1, 0, false, first(KEY))).toEqual([])
    const [frame] = video.put(2, 0, true, following(7))
    expect(frame).toMatchObject({
      keyframe: true,
      contiguous: true,
      firstSequence: 0x1_0001,
      lastSequence: 0x1_0002,
    })
    expect([...frame!.data]).toEqual([KEY, 0, 7])
    expect(video.assembler.deadline).toBe(Infinity)
  })

  it('ends a frame without a marker at the next timestamp', () => {
    const video = new Video()
    expect(video.put(1, 0, false, first(KEY))).toEqual([])
    expect(video.put(2, 3000, false, first(DELTA))).toHaveLength(1)
    expect(video.put(3, 6000, true, first(DELTA))).toHaveLength(2)
  })

  it('drops what has no end before a keyframe, where frames have had markers: its source was left in the middle of it', () => {
    const video = new Video()
    for (let i = 0; i < 40; i++) expect(video.frame(i, i === 0 ? KEY : DELTA)).toHaveLength(1)
    // one that forwards may leave a source before the end of a frame, and the next one's keyframe has the next number
    const [cut, key] = [200_000, 203_000]
    expect(video.put(40, cut, false, first(DELTA))).toEqual([])
    expect(video.put(41, cut, false, following())).toEqual([])
    expect(video.put(42, key, false, first(KEY))).toEqual([])
    // nothing is missing meanwhile: the keyframe is on its way
    expect(video.assembler.needsKeyframe).toBe(false)
    expect(video.put(43, key, true, following())).toMatchObject([{ keyframe: true, contiguous: false }])
    expect(video.assembler.statistics).toMatchObject({ framesAssembled: 41, framesDropped: 1 })
    // what another frame follows has no marker for another reason
    expect(video.put(44, cut + 6000, false, first(DELTA))).toEqual([])
    expect(video.put(45, cut + 9000, true, first(DELTA))).toMatchObject([
      { contiguous: true },
      { contiguous: true },
    ])
    expect(video.put(46, cut + 12_000, false, first(DELTA))).toEqual([])
    expect(video.put(47, cut + 15_000, true, first(KEY))).toHaveLength(2)
  })

  it('passes markers on audio by', () => {
    const assembler = new FrameAssembler(wholePayloadDepacketizer, 100)
    for (let i = 0; i < 3; i++) {
      assembler.handlePacket(0, { sequenceNumber: i, timestamp: 0, marker: i === 0 }, Uint8Array.of(i))
    }
    expect(drain(assembler).map(({ data }) => data[0])).toEqual([0, 1, 2])
  })

  it('starts at the earlier one where the first two packets have changed places', () => {
    const video = new Video()
    // its marker ends a frame that has no beginning yet
    expect(video.put(2, 0, true, following())).toEqual([])
    expect(video.assembler.needsKeyframe).toBe(true)
    expect(video.put(1, 0, false, first(KEY))).toMatchObject([{ keyframe: true, contiguous: true }])
    expect(video.assembler.needsKeyframe).toBe(false)
    expect(video.assembler.statistics).toMatchObject({ framesDropped: 0, packetsLate: 0 })

    const other = new Video()
    expect(other.put(0, 0, false, following())).toEqual([])
    expect(other.put(2, 0, false, following())).toEqual([])
    // as long as its frame goes on, it may be the order alone in which they came
    expect(other.assembler.needsKeyframe).toBe(false)
    expect(other.put(0xffff, 0, false, first(KEY))).toEqual([])
    expect(other.put(3, 0, true, following())).toEqual([])
    expect(other.assembler.needsKeyframe).toBe(false)
    expect(other.put(1, 0, false, following())).toMatchObject([{ keyframe: true }])
  })

  it('waits for the beginning of the first frame as for any packet, and no longer where a keyframe comes', () => {
    const video = new Video()
    expect(video.put(10, 0, true, following())).toEqual([])
    expect(video.assembler.seeksBeginning).toBe(true)
    expect(video.put(11, 3000, true, first(DELTA, 11))).toEqual([])
    expect(video.assembler.deadline).toBe(200)
    // what is without its beginning is dropped, and what follows it comes out
    expect(video.timeout(200)).toMatchObject([{ firstSequence: 0x1_000b, contiguous: false }])
    expect(video.assembler.seeksBeginning).toBe(false)
    expect(video.assembler.statistics).toMatchObject({ framesDropped: 1, packetsGivenUp: 0 })
    expect(video.put(9, 0, false, first(KEY))).toEqual([])
    expect(video.assembler.statistics).toMatchObject({ packetsLate: 1 })

    const other = new Video()
    expect(other.put(10, 0, true, following())).toEqual([])
    expect(other.frame(11, KEY)).toMatchObject([{ keyframe: true, contiguous: false }])
    expect(other.assembler.deadline).toBe(Infinity)
  })

  it('looks for the beginning before the first packet to come, however many came after that', () => {
    const video = new Video()
    for (let i = 1; i < 500; i++) expect(video.put(10 + i, 0, false, following())).toEqual([])
    expect(video.put(510, 0, true, following())).toEqual([])
    expect(video.put(10, 0, false, first(KEY))).toMatchObject([{ keyframe: true }])

    const other = new Video()
    for (let i = 0; i < 500; i++) other.put(1000 + i, 0, false, following())
    expect(other.put(800, 0, false, first(KEY))).toEqual([])
    expect(other.assembler.statistics).toMatchObject({ packetsLate: 1 })
  })

  it('counts late and duplicated packets', () => {
    const video = new Video()
    video.frame(1, KEY)
    video.frame(1, KEY)
    video.put(3, 0, false, first(DELTA))
    video.put(3, 0, false, first(DELTA))
    expect(video.assembler.statistics).toMatchObject({
      packetsLate: 1,
      packetsDuplicated: 1,
      framesAssembled: 1,
    })
  })

  it('refuses a wait that is none', () => {
    for (const wait of [-1, Number.NaN, Infinity]) {
      expect(() => new FrameAssembler(vp8Depacketizer, wait)).toThrow(
        expect.objectContaining({ code: 'invalid-option' }),
      )
    }
  })

  it('copies what comes in a Buffer', () => {
    const datagram = Buffer.from([9, 9, 1, 2, 3])
    const assembler = new FrameAssembler(wholePayloadDepacketizer, 100)
    assembler.handlePacket(0, { sequenceNumber: 1, timestamp: 0, marker: true }, datagram.subarray(2))
    const data = assembler.pollFrame()!.data
    datagram.fill(0)
    expect(data.constructor).toBe(Uint8Array)
    expect([...data]).toEqual([1, 2, 3])
  })
})

describe('padding', () => {
  const padding = new Uint8Array(0)

  it('between frames changes nothing, whatever timestamp it has', () => {
    const video = new Video()
    expect(video.frame(1, KEY)).toHaveLength(1)
    expect(video.put(2, 3000, false, padding)).toEqual([])
    expect(video.put(3, 3000, false, padding)).toEqual([])
    expect(video.put(4, 77, false, padding)).toEqual([])
    expect(video.frame(5)).toMatchObject([{ contiguous: true, firstSequence: 0x1_0002 }])
  })

  it('within a frame changes nothing', () => {
    const video = new Video()
    video.put(1, 0, false, first(KEY))
    video.put(2, 99, false, padding)
    expect(video.put(3, 0, true, following())).toMatchObject([{ keyframe: true }])
  })

  it('with the marker ends a frame', () => {
    const video = new Video()
    video.put(1, 0, false, first(KEY))
    expect(video.put(2, 0, true, padding)).toMatchObject([{ keyframe: true }])
  })

  it('after a loss does not pass for the end of a frame', () => {
    const assembler = new FrameAssembler(h264Depacketizer, 10)
    const put = (sequenceNumber: number, marker: boolean, payload: Uint8Array): void =>
      assembler.handlePacket(0, { sequenceNumber, timestamp: sequenceNumber, marker }, payload)
    const slice = Uint8Array.of(0x61, 1, 2)
    put(0, true, slice)
    put(2, false, padding)
    // its first slice may have been in 1
    put(3, true, slice)
    assembler.handleTimeout(10)
    expect(drain(assembler)).toEqual([])
    put(4, true, slice)
    expect(drain(assembler)).toHaveLength(1)
  })
})

describe('after a loss, parameter sets start a frame', () => {
  const [delimiter, sps, pps] = [Uint8Array.of(0x09, 0xf0), Uint8Array.of(0x67, 1), Uint8Array.of(0x68, 1)]
  const firstSlice = Uint8Array.of(0x65, 0x80, 1)
  const otherSlice = Uint8Array.of(0x65, 0x40, 1)
  const VPS = Uint8Array.of(0x40, 1, 1)
  const spsOf = (profile: number, constraints: number): Uint8Array =>
    Uint8Array.of(0x67, profile, constraints, 0x1f, 0xda, 0x90)
  // Baseline and Extended
  const ANY_ORDER = [
    [66, 0x80],
    [66, 0],
    [88, 0x20],
  ] as const
  // Constrained Baseline, Main, High, and an Extended that is Main too
  const IN_ORDER = [
    [66, 0xe0],
    [66, 0xc0],
    [77, 0x40],
    [100, 0],
    [88, 0x60],
  ] as const

  /** How many frames there are of these, each an access unit of which some payloads are lost. */
  const received = (depacketizer: Depacketizer, ...units: (Uint8Array | undefined)[][]): number => {
    const assembler = new FrameAssembler(depacketizer, 10)
    let sequenceNumber = 0
    units.forEach((unit, timestamp) => {
      unit.forEach((payload, i) => {
        sequenceNumber++
        const marker = i === unit.length - 1
        if (payload !== undefined) assembler.handlePacket(0, { sequenceNumber, timestamp, marker }, payload)
      })
    })
    assembler.handleTimeout(10)
    return drain(assembler).length
  }
  const h264 = (...units: (Uint8Array | undefined)[][]): number => received(h264Depacketizer, ...units)
  const h265 = (...units: (Uint8Array | undefined)[][]): number =>
    received(depacketizerFor('H265')!, ...units)

  it('with the first slice', () => {
    expect(h264([undefined], [sps, pps, firstSlice])).toBe(1)
    expect(h264([sps, pps, firstSlice], [undefined], [sps, pps, firstSlice, otherSlice])).toBe(2)
    expect(h265([undefined], [VPS, Uint8Array.of(0x26, 1, 0x80)])).toBe(1)
  })

  it('but not before a later slice, where the stream repeats them', () => {
    const frame = [sps, pps, firstSlice, sps, pps, otherSlice]
    expect(h264(frame, [sps, pps, undefined, sps, pps, otherSlice], frame)).toBe(2)
    expect(h264(frame, [undefined], frame)).toBe(2)
    const fragments = [Uint8Array.of(0x7c, 0x85, 0x40), Uint8Array.of(0x7c, 0x45, 1)]
    expect(h264(frame, [sps, pps, undefined, sps, ...fragments])).toBe(1)
    const aggregate = Uint8Array.of(0x78, 0, 2, 0x67, 1, 0, 3, 0x65, 0x40, 1)
    expect(h264(frame, [undefined, aggregate])).toBe(1)
    // what is left of the first frame shows it
    expect(h264([undefined, sps, otherSlice, sps, otherSlice])).toBe(0)
    const slice = (first: number): Uint8Array => Uint8Array.of(0x26, 1, first)
    const unit = [VPS, slice(0x80), VPS, slice(0x40)]
    expect(h265(unit, [undefined, VPS, slice(0x40)], [undefined], unit)).toBe(2)
    const pieces = [Uint8Array.of(0x62, 1, 0x93, 0x40), Uint8Array.of(0x62, 1, 0x53, 1)]
    expect(h265(unit, [undefined, VPS, ...pieces])).toBe(1)
  })

  it('nor where nothing has shown that it does', () => {
    const delta = [Uint8Array.of(0x61, 0x80, 1)]
    expect(h264(delta, delta, [undefined, sps, pps, otherSlice], delta)).toBe(2)
    const slice = (first: number): Uint8Array => Uint8Array.of(0x26, 1, first)
    expect(h265([slice(0x80)], [undefined, VPS, slice(0x40)], [VPS, slice(0x80)])).toBe(1)
  })

  it('with any slice in the first frame of all: the order of slices may be arbitrary', () => {
    expect(h264([sps, pps, otherSlice, firstSlice])).toBe(1)
    expect(h264([delimiter, sps, pps, otherSlice], [undefined, sps, pps, otherSlice])).toBe(1)
    for (const [profile, constraints] of ANY_ORDER) {
      expect(h264([spsOf(profile, constraints), pps, otherSlice]), `profile ${profile}`).toBe(1)
    }
  })

  it('but with the first slice alone where slices come in order', () => {
    const delta = [Uint8Array.of(0x61, 0x80, 1)]
    for (const [profile, constraints] of IN_ORDER) {
      const parameters = spsOf(profile, constraints)
      // all of the stream up to the middle of its first frame was lost
      expect(h264([parameters, pps, otherSlice], delta), `profile ${profile}`).toBe(1)
      expect(h264([parameters, pps, firstSlice, otherSlice], delta), `profile ${profile}`).toBe(2)
      const aggregate = Uint8Array.of(0x78, 0, 6, ...parameters, 0, 2, ...pps, 0, 3, ...otherSlice)
      expect(h264([aggregate], delta), `profile ${profile}`).toBe(1)
    }
    const vps = new Uint8Array(24).fill(1)
    vps.set(VPS)
    const slice = (first: number): Uint8Array => Uint8Array.of(0x26, 1, first)
    expect(h265([vps, slice(0x40)], [slice(0x80)])).toBe(1)
    expect(h265([vps, slice(0x80), slice(0x40)], [slice(0x80)])).toBe(2)
  })

  it('but not where the frames of the stream start with a delimiter', () => {
    const delta = [delimiter, Uint8Array.of(0x61, 0x80, 1)]
    expect(h264([delimiter, sps, pps, firstSlice], [undefined, sps, pps, firstSlice])).toBe(1)
    expect(h264([undefined, sps, pps, firstSlice], delta, [undefined, sps, pps, firstSlice], delta)).toBe(3)
    // one that was lost tells of it too
    expect(h264([delimiter, undefined, sps, firstSlice])).toBe(0)
    const unit = [Uint8Array.of(0x46, 1, 0x10), VPS, Uint8Array.of(0x26, 1, 0x80)]
    expect(h265(unit, [undefined, ...unit.slice(1)], unit)).toBe(2)
  })

  it('nor where its keyframes start with something else', () => {
    const unit = [Uint8Array.of(0x06, 1), sps, pps, firstSlice]
    expect(h264([firstSlice], unit, [undefined, ...unit.slice(1)])).toBe(1)
  })

  it('but where parameter sets are sent apart', () => {
    expect(h264([sps], [pps], [firstSlice], [undefined], [sps], [pps], [firstSlice])).toBe(6)
  })

  it('and do again after a restart of the sender', () => {
    const assembler = new FrameAssembler(h264Depacketizer, 10)
    const put = (sequenceNumber: number, timestamp: number, marker: boolean, payload: Uint8Array): void =>
      assembler.handlePacket(0, { sequenceNumber, timestamp, marker }, payload)
    put(1, 0, false, delimiter)
    put(2, 0, false, sps)
    put(3, 0, true, firstSlice)
    put(30_000, 1, false, sps)
    put(30_001, 1, true, firstSlice)
    expect(assembler.statistics.restarts).toBe(1)
    expect(drain(assembler)).toHaveLength(2)
  })
})

describe('a marker on parameter sets alone', () => {
  // as GStreamer sends them before a keyframe that it is asked for: in a packet of their own
  const parameters = Uint8Array.of(0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 1)
  const start = Uint8Array.of(0x78, 0, 2, 0x09, 0x10, 0, 2, 0x67, 1, 0, 2, 0x68, 1, 0, 3, 0x65, 0x80, 1)
  const end = Uint8Array.of(0x65, 0x40, 2)
  const delta = Uint8Array.of(0x78, 0, 2, 0x09, 0x30, 0, 3, 0x61, 0x80, 3)
  const VPS = Uint8Array.of(0x40, 1, 1)

  class Nal {
    readonly assembler: FrameAssembler
    #sequence = 0

    constructor(depacketizer: Depacketizer) {
      this.assembler = new FrameAssembler(depacketizer, 10)
    }

    put(timestamp: number, marker: boolean, payload: Uint8Array): Frame[] {
      const sequenceNumber = this.#sequence++
      this.assembler.handlePacket(0, { sequenceNumber, timestamp, marker }, payload)
      return drain(this.assembler)
    }

    /** So many packets are lost. */
    lose(count: number): void {
      this.#sequence += count
    }
  }

  it('ends no frame: what follows with their timestamp is of it', () => {
    const video = new Nal(h264Depacketizer)
    expect(video.put(0, false, start)).toEqual([])
    expect(video.put(0, true, end)).toMatchObject([{ keyframe: true }])
    expect(video.put(1, true, delta)).toHaveLength(1)
    expect(video.put(2, true, parameters)).toEqual([])
    expect(video.put(2, false, start)).toEqual([])
    const [frame] = video.put(2, true, end)
    expect(frame).toMatchObject({ keyframe: true, contiguous: true, timestamp: 2 })
    const types = [...frame!.data].flatMap((byte, i, bytes) =>
      bytes[i - 1] === 1 && bytes[i - 2] === 0 ? byte & 31 : [],
    )
    expect(types).toEqual([7, 8, 9, 7, 8, 5, 5])
    expect(video.put(3, true, delta)).toMatchObject([{ contiguous: true, timestamp: 3 }])
    expect(video.assembler.statistics).toMatchObject({ framesAssembled: 4, framesDropped: 0 })
  })

  it.each([
    ['one unit in fragments', [Uint8Array.of(0x7c, 0x87, 1), Uint8Array.of(0x7c, 0x47, 2)], h264Depacketizer],
    ['H.265', [VPS, Uint8Array.of(0x42, 1, 1), Uint8Array.of(0x44, 1, 1)], depacketizerFor('H265')!],
  ])('nor of %s', (_, sets, depacketizer) => {
    const video = new Nal(depacketizer)
    for (const set of sets) expect(video.put(0, true, set)).toEqual([])
    const slice = depacketizer === h264Depacketizer ? end : Uint8Array.of(0x26, 1, 0x80)
    expect(video.put(0, true, slice)).toMatchObject([{ keyframe: true, contiguous: true }])
  })

  it('ends one that has a picture', () => {
    const video = new Nal(h264Depacketizer)
    video.put(0, false, start)
    expect(video.put(0, true, parameters)).toMatchObject([{ keyframe: true }])
  })

  it('makes a frame of them where another timestamp follows, also where all frames before had a marker', () => {
    const video = new Nal(h264Depacketizer)
    for (let i = 0; i < 40; i++) expect(video.put(i, true, i === 0 ? start : delta)).toHaveLength(1)
    expect(video.put(40, true, parameters)).toEqual([])
    expect(video.put(41, true, start)).toMatchObject([
      { timestamp: 40, keyframe: false, contiguous: true },
      { timestamp: 41, keyframe: true, contiguous: true },
    ])
  })

  it('does not hide the delimiter after them: not after a loss, nor from what is learnt of the stream', () => {
    const video = new Nal(h264Depacketizer)
    expect(video.put(0, true, start)).toHaveLength(1)
    video.lose(1)
    video.put(2, true, parameters)
    video.put(2, true, start)
    video.assembler.handleTimeout(10)
    expect(drain(video.assembler)).toMatchObject([{ timestamp: 2, keyframe: true, contiguous: false }])
    // its delimiter was lost
    video.lose(1)
    video.put(3, false, Uint8Array.of(0x67, 1))
    video.put(3, true, Uint8Array.of(0x65, 0x80, 1))
    video.assembler.handleTimeout(20)
    expect(drain(video.assembler)).toEqual([])
  })
})

describe('loss', () => {
  it('delays what comes after it by the wait, and says so', () => {
    const video = new Video()
    video.frame(1, KEY)
    video.now = 10
    expect(video.frame(3)).toEqual([])
    expect(video.assembler.deadline).toBe(210)
    expect(video.timeout(209)).toEqual([])
    expect(video.timeout(210)).toMatchObject([{ contiguous: false, firstSequence: 0x1_0003 }])
    expect(video.frame(4)).toMatchObject([{ contiguous: true }])
    expect(video.assembler.statistics.packetsGivenUp).toBe(1)
  })

  it('delays by the wait once, however many gaps there are', () => {
    const video = new Video()
    video.frame(1, KEY)
    for (let i = 3; i <= 41; i += 2) {
      video.now = i
      expect(video.frame(i)).toEqual([])
    }
    let came = 0
    for (let i = 3; i <= 41; i += 2) {
      expect(video.assembler.deadline).toBe(i + 200)
      expect(video.timeout(i + 200)).toHaveLength(1)
      came++
    }
    expect(came).toBe(20)
    expect(video.assembler.deadline).toBe(Infinity)
  })

  it('is given up before its time where the buffer is full', () => {
    const video = new Video()
    video.frame(1, KEY)
    let frames: Frame[] = []
    for (let i = 3; i < 3 + MAX_REORDERED_PACKETS; i++) frames = frames.concat(video.frame(i))
    expect(frames).toHaveLength(MAX_REORDERED_PACKETS)
    expect(frames[0]!.contiguous).toBe(false)
    expect(frames.slice(1).every(({ contiguous }) => contiguous)).toBe(true)
    expect(video.assembler.deadline).toBe(Infinity)
  })

  it('of the end of a frame drops it', () => {
    const video = new Video()
    video.frame(1, KEY)
    video.put(2, 1, false, first(DELTA))
    video.put(4, 2, true, first(DELTA))
    expect(video.timeout(200)).toMatchObject([{ firstSequence: 0x1_0004, contiguous: false }])
    expect(video.assembler.statistics.framesDropped).toBe(1)
  })

  it('makes a keyframe needed until one comes', () => {
    const video = new Video()
    expect(video.assembler.needsKeyframe).toBe(false)
    video.frame(1)
    expect(video.assembler.needsKeyframe).toBe(true)
    video.frame(2, KEY)
    expect(video.assembler.needsKeyframe).toBe(false)
    video.frame(4)
    expect(video.assembler.needsKeyframe).toBe(false)
    expect(video.timeout(200)).toHaveLength(1)
    expect(video.assembler.needsKeyframe).toBe(true)
    video.frame(5)
    expect(video.assembler.needsKeyframe).toBe(true)
    // a keyframe, and a loss after it that is given up in the same call
    video.frame(7, KEY)
    video.frame(9)
    expect(video.timeout(1000)).toHaveLength(2)
    expect(video.assembler.needsKeyframe).toBe(true)
  })
})

describe('exhaust', () => {
  it('a frame of more packets than the buffer holds is dropped, and the stream goes on', () => {
    const video = new Video()
    expect(video.put(0, 0, false, first(KEY))).toEqual([])
    for (let i = 1; i < 10_000; i++) expect(video.put(i, 0, i === 9999, following())).toEqual([])
    expect(video.assembler.statistics.framesDropped).toBeGreaterThan(0)
    expect(video.put(10_000, 1, true, first(KEY))).toMatchObject([{ keyframe: true, contiguous: false }])
  })

  it('a frame of more bytes than the buffer holds is dropped, and the stream goes on', () => {
    const video = new Video()
    const payload = new Uint8Array(60_000)
    const last = Math.ceil(MAX_REORDERED_BYTES / payload.length)
    expect(video.put(0, 0, false, first(KEY))).toEqual([])
    for (let i = 1; i <= last; i++) expect(video.put(i, 0, i === last, payload)).toEqual([])
    expect(video.assembler.statistics.framesDropped).toBeGreaterThan(0)
    expect(video.put(last + 1, 1, true, first(KEY))).toMatchObject([{ keyframe: true, contiguous: false }])
  })

  it.each([
    ['payloads', 60_000, 0],
    ['headers', 2, 59_998],
  ])('what waits has no more bytes than the buffer holds: of %s', (_, length, payloadStart) => {
    const { assembler } = new Video()
    const most = Math.floor(MAX_REORDERED_BYTES / (length + payloadStart))
    const payload = new Uint8Array(length)
    payload.set([START, KEY])
    let out = 0
    for (let i = 0; i < 1000; i++) {
      // each the only one of its frame; 1 and all further odd ones are missing
      if (i % 2 === 1 || i === 0) continue
      assembler.handlePacket(0, { sequenceNumber: i, timestamp: i, marker: true, payloadStart }, payload)
      out += drain(assembler).length
      expect(i / 2 - out).toBeLessThanOrEqual(most)
    }
    expect(out).toBe(499 - most)
    expect(assembler.deadline).toBe(200)
  })

  it.skipIf(!hasV8Heap)('S12: numbers far apart take little memory', () => {
    const streams = Array.from({ length: 1000 }, () => new Video())
    const before = heapUsed()
    for (const video of streams) {
      for (let i = 1; i <= MAX_REORDERED_PACKETS; i += 1000) video.put(i, i, false, first(DELTA))
    }
    // a place for each of the 8192, and not a slot
    expect((heapUsed() - before) / streams.length).toBeLessThan(100_000)
    expect(streams).toHaveLength(1000)
  })

  it('what comes into gaps of a full buffer is late or in its place', () => {
    forSeeds(20, (random) => {
      const { assembler } = new Video()
      const payload = new Uint8Array(60_000)
      payload.set([START, KEY])
      let last = -1
      let now = 0
      for (let i = 0; i < 3000; i++) {
        const sequenceNumber = Math.max(0, (i >> 1) - random.integer(400))
        now += random.integer(3)
        assembler.handlePacket(now, { sequenceNumber, timestamp: sequenceNumber, marker: true }, payload)
        if (assembler.deadline <= now) assembler.handleTimeout(now)
        for (const { firstSequence } of drain(assembler)) {
          expect(firstSequence).toBeGreaterThan(last)
          last = firstSequence
        }
      }
      expect(last).toBeGreaterThan(1000)
      assembler.handleTimeout(now + 1000)
      expect(assembler.deadline).toBe(Infinity)
    })
  })
})

describe('wrap and restart', () => {
  it('goes on over the ends of sequence numbers and timestamps', () => {
    const audio = new Audio()
    let came = 0
    for (let i = 65_000; i < 65_000 + 140_000; i++) came += audio.put(i).length
    expect(came).toBe(140_000)
  })

  it.each([5000, 32_767, -30_000, -2000, 32_768])(
    'recovers from a jump by %i with the second packet',
    (jump) => {
      const audio = new Audio()
      for (let i = 0; i < 10; i++) audio.put(40_000 + i)
      const start = 40_010 + jump
      expect(audio.put(start)).toEqual([])
      expect(audio.put(start + 1)).toEqual([start & 0xff, (start + 1) & 0xff])
      expect(audio.put(start + 2)).toEqual([(start + 2) & 0xff])
      expect(audio.assembler.statistics.restarts).toBe(1)
    },
  )

  it('recovers where the first two packets after the jump have changed places', () => {
    const video = new Video()
    let last = video.frame(100, KEY)[0]!.lastSequence
    expect(video.put(50_001, 0, true, following())).toEqual([])
    const [frame] = video.put(50_000, 0, false, first(KEY))
    expect(frame).toMatchObject({ keyframe: true, contiguous: false })
    expect(frame!.firstSequence).toBeGreaterThan(last)
    last = frame!.lastSequence
    expect(video.put(50_002, 1, true, first(DELTA))[0]!.firstSequence).toBe(last + 1)
  })

  it('a jump of 1100 is taken as a loss, at once', () => {
    const audio = new Audio()
    audio.put(0)
    expect(audio.put(1100)).toEqual([1100 & 0xff])
    expect(audio.assembler.statistics).toMatchObject({ packetsGivenUp: 1099, restarts: 0 })
  })

  it('one stray packet changes nothing', () => {
    const audio = new Audio()
    audio.put(0)
    for (const stray of [20_000, -20_000]) {
      expect(audio.put(stray)).toEqual([])
      expect(audio.put(audio.assembler.statistics.framesAssembled)).toHaveLength(1)
    }
    expect(audio.put(3)).toHaveLength(1)
    expect(audio.assembler.statistics.restarts).toBe(0)
    expect(audio.assembler.statistics.packetsLate).toBe(2)
  })

  it('a restart just behind the last packet is seen after a second of late packets', () => {
    const audio = new Audio()
    for (let i = 0; i < 500; i++) audio.put(i)
    let silent = 0
    for (let i = 200; audio.put(i).length === 0; i++) {
      silent += 20
      audio.now += 20
    }
    expect(silent).toBeLessThanOrEqual(1000)
    expect(audio.assembler.statistics.restarts).toBe(1)
  })

  it('drops what waits at a restart', () => {
    const video = new Video()
    video.frame(1, KEY)
    video.frame(3)
    video.frame(20_000)
    expect(video.frame(20_001)).toHaveLength(2)
    expect(video.assembler.statistics.framesDropped).toBe(1)
    expect(video.assembler.deadline).toBe(Infinity)
  })
})
