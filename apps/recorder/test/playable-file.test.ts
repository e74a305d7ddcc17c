import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { FileWriter } from '../src/file-writer.ts'
import { nalUnits } from '../src/h264.ts'
import { type MediaPacket, PlayableFile } from '../src/playable-file.ts'
import type { FilePacket, VideoFormat } from '../src/recorder.ts'
import { h264, vp8 } from './frames.ts'
import { complaints, hasFfmpeg, makeFile, packetTimes, probe } from './media-files.ts'

const VP8: VideoFormat = { codec: 'vp8', codecString: 'vp8', width: 640, height: 480 }
const AVC: VideoFormat = { codec: 'avc', codecString: 'avc1.42c00d', width: 320, height: 240 }

/** Two seconds: a picture each 40 ms, of which each tenth is a keyframe, and sound each 20 ms. */
function packets(frame: (i: number, keyframe: boolean) => Uint8Array, audio = true): FilePacket[] {
  const all: FilePacket[] = []
  for (let i = 0; i < 100; i++) {
    if (i % 2 === 0) {
      const keyframe = i % 20 === 0
      all.push({ kind: 'video', data: frame(i, keyframe), time: i / 50, duration: 0.04, keyframe })
    }
    if (audio) {
      all.push({ kind: 'audio', data: Uint8Array.of(0xfc, i), time: i / 50, duration: 0.02, keyframe: true })
    }
  }
  return all
}

async function write(
  video: VideoFormat | undefined,
  all: readonly FilePacket[],
  audio = true,
): Promise<string> {
  const writer = new FileWriter(join(scratchDirectory(), 'made'), (error) => {
    throw error ?? new Error('full')
  })
  writer.start({ video, audio })
  for (const packet of all) expect(writer.write(packet)).toBe(true)
  return (await writer.finish())!
}

async function read(file: PlayableFile, from: number): Promise<MediaPacket[]> {
  const found: MediaPacket[] = []
  for await (const packet of file.packetsFrom(from)) found.push(packet)
  return found
}

const code = (expected: string) => expect.objectContaining({ code: expected })

describe('a file that is written', () => {
  it('has its packets again: VP8 and Opus', async () => {
    const all = packets((i, keyframe) => vp8(20 + i, keyframe ? [640, 480] : undefined))
    const path = await write(VP8, all)
    expect(path.endsWith('made.webm')).toBe(true)
    const file = await PlayableFile.open(path)
    expect(file.video).toEqual({ name: 'VP8', codecString: 'vp8' })
    expect(file.hasAudio).toBe(true)
    expect(await file.firstTime()).toBe(0)
    const found = await read(file, 0)
    expect(found).toHaveLength(all.length)
    for (const kind of ['audio', 'video']) {
      const [was, is] = [all, found].map((list) => list.filter((packet) => packet.kind === kind))
      expect(is!.map(({ data }) => data)).toEqual(was!.map(({ data }) => data))
      expect(is!.map(({ keyframe }) => keyframe)).toEqual(was!.map(({ keyframe }) => keyframe))
      for (const [i, { time }] of is!.entries()) expect(time).toBeCloseTo(was![i]!.time, 3)
    }
    file.close()
  })

  it('has its packets again: H.264, with what it takes to decode them', async () => {
    const all = packets((i, keyframe) => h264(20 + i, keyframe), false)
    const path = await write(AVC, all, false)
    expect(path.endsWith('made.mp4')).toBe(true)
    const file = await PlayableFile.open(path)
    expect(file.video).toEqual({ name: 'H264', codecString: 'avc1.42c00d' })
    expect(file.hasAudio).toBe(false)
    const found = await read(file, 0)
    expect(found.map(({ data }) => nalUnits(data))).toEqual(all.map(({ data }) => nalUnits(data)))
    file.close()
  })

  it('can be read from a keyframe on, and tells of the next', async () => {
    const all = packets((i, keyframe) => vp8(20 + i, keyframe ? [640, 480] : undefined))
    const file = await PlayableFile.open(await write(VP8, all))
    expect(await file.keyframeAfter(0)).toBeCloseTo(0.4, 3)
    expect(await file.keyframeAfter(1.1)).toBeCloseTo(1.2, 3)
    expect(await file.keyframeAfter(1.7)).toBeUndefined()
    const found = await read(file, 1.2)
    expect(found.map(({ data }) => data)).toEqual(
      all.filter(({ time }) => time >= 1.2).map(({ data }) => data),
    )
    file.close()
  })

  it('may have sound alone', async () => {
    const all = packets(() => vp8(1)).filter(({ kind }) => kind === 'audio')
    const file = await PlayableFile.open(await write(undefined, all))
    expect(file.video).toBeUndefined()
    expect(await read(file, 0)).toHaveLength(100)
    expect(await file.keyframeAfter(0)).toBeUndefined()
    file.close()
  })

  it('goes on without a picture where there is no more', async () => {
    const writer = new FileWriter(join(scratchDirectory(), 'made'), () => {})
    const all = packets((i, keyframe) => vp8(20 + i, keyframe ? [640, 480] : undefined))
    writer.start({ video: VP8, audio: true })
    for (const packet of all.filter(({ kind, time }) => kind === 'audio' || time < 1)) writer.write(packet)
    writer.endVideo()
    const file = await PlayableFile.open((await writer.finish())!)
    expect(await read(file, 0)).toHaveLength(125)
    file.close()
  })

  it('is none where nothing came', async () => {
    const writer = new FileWriter(join(scratchDirectory(), 'made'), () => {})
    expect(await writer.finish()).toBeUndefined()
    expect(writer.write(packets(() => vp8(1))[0]!)).toBe(false)
  })

  it('ends where it cannot be written', async () => {
    const failures: unknown[] = []
    const writer = new FileWriter(join(scratchDirectory(), 'nowhere', 'made'), (error) =>
      failures.push(error),
    )
    writer.start({ video: undefined, audio: true })
    for (const packet of packets(() => vp8(1))) if (packet.kind === 'audio') writer.write(packet)
    await expect(writer.finish()).rejects.toThrow('ENOENT')
  })

  it('takes no more than may wait for the disk', async () => {
    const writer = new FileWriter(join(scratchDirectory(), 'made'), () => {})
    writer.start({ video: VP8, audio: false })
    const data = vp8(1 << 20, [640, 480])
    const taken = Array.from({ length: 100 }, (_, i) =>
      writer.write({ kind: 'video', data, time: i, duration: 1, keyframe: true }),
    )
    expect(taken.filter(Boolean)).toHaveLength(64)
    await writer.finish()
  })
})

describe('what is not played', () => {
  it('is what is no such file', async () => {
    const path = join(scratchDirectory(), 'made.webm')
    await writeFile(path, 'not a film')
    await expect(PlayableFile.open(path)).rejects.toEqual(code('not-playable'))
  })

  it.skipIf(!hasFfmpeg)('is what has reordered pictures', async () => {
    const path = join(scratchDirectory(), 'made.mp4')
    makeFile(path, 'H264', 1, ['-profile:v', 'main', '-preset', 'medium', '-bf', '3'])
    await expect(PlayableFile.open(path)).rejects.toEqual(code('not-playable'))
  })

  it.skipIf(!hasFfmpeg)('is sound in another codec, but the picture is', async () => {
    const path = join(scratchDirectory(), 'made.mp4')
    makeFile(path, 'H264', 1, ['-c:a', 'aac'])
    const file = await PlayableFile.open(path)
    expect(file.hasAudio).toBe(false)
    const found = await read(file, await file.firstTime())
    expect(found).toHaveLength(25)
    // the parameter sets of the file stand before the keyframe
    expect(
      nalUnits(found[0]!.data)
        .map((unit) => unit[0]! & 0x1f)
        .slice(0, 2),
    ).toEqual([7, 8])
    file.close()
  })
})

describe.skipIf(!hasFfmpeg)('of several tracks', () => {
  it('those are played that can be', async () => {
    const directory = scratchDirectory()
    const [both, path] = [join(directory, 'both.mp4'), join(directory, 'made.mp4')]
    makeFile(both, 'H264', 1)
    const copies = ['-map', '0:a', '-map', '0:v', '-map', '0:a', '-map', '0:v', '-c', 'copy']
    const others = ['-c:a:0', 'aac', '-c:v:0', 'mpeg4', '-disposition:0', 'default']
    execFileSync('ffmpeg', ['-v', 'error', '-i', both, ...copies, ...others, path])
    const file = await PlayableFile.open(path)
    expect(file.video?.name).toBe('H264')
    expect(file.hasAudio).toBe(true)
    const found = await read(file, await file.firstTime())
    expect(found.filter(({ kind }) => kind === 'video')).toHaveLength(25)
    expect(found.filter(({ kind }) => kind === 'audio').length).toBeGreaterThanOrEqual(50)
    file.close()
  })
})

describe.skipIf(!hasFfmpeg)('a picture that changes its size in mid-call', () => {
  it.each([
    ['VP8', VP8],
    ['H264', AVC],
  ] as const)('is whole in the file: %s', async (codec, format) => {
    const directory = scratchDirectory()
    const all: FilePacket[] = []
    for (const [i, size] of ['320:240', '160:120', '480:360'].entries()) {
      const path = join(directory, codec === 'VP8' ? `${i}.webm` : `${i}.mp4`)
      makeFile(path, codec, 1, ['-an', '-vf', `scale=${size}`])
      const file = await PlayableFile.open(path)
      for (const packet of await read(file, await file.firstTime()))
        all.push({ ...packet, time: packet.time + i })
      file.close()
    }
    const path = await write({ ...format, width: 320, height: 240 }, all, false)
    const [video] = probe(path).streams
    expect(video).toMatchObject({ width: 320, height: 240, nb_read_frames: '75', nb_read_packets: '75' })
    expect(complaints(path)).toBe('')
  })
})

describe.skipIf(!hasFfmpeg)('the times of a file', () => {
  it.each(['made.webm', 'made.mkv', 'made.mp4'])('are those at which it is played: %s', async (name) => {
    const path = join(scratchDirectory(), name)
    makeFile(path, name === 'made.mp4' ? 'H264' : 'VP8', 2)
    const file = await PlayableFile.open(path)
    const found = await read(file, await file.firstTime())
    const times = found.map(({ time }) => time)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    for (const kind of ['audio', 'video'] as const) {
      const expected = packetTimes(path, kind)
      const own = found.filter((packet) => packet.kind === kind).map(({ time }) => time)
      expect(own).toHaveLength(expected.length)
      // both round to milliseconds
      for (const [i, time] of own.entries()) expect(Math.abs(time - expected[i]!)).toBeLessThanOrEqual(0.001)
    }
    // what the decoder skips is not to be heard
    expect(times[0]).toBeCloseTo(-0.0065, 3)
    const later = await read(file, 1)
    const isLaterSound = ({ kind, time }: MediaPacket): boolean => kind === 'audio' && time >= 1
    expect(later.filter(({ kind }) => kind === 'audio')).toEqual(found.filter(isLaterSound))
    file.close()
  })
})
