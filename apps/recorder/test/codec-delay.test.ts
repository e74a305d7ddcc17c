import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { readCodecDelays } from '../src/codec-delay.ts'

const HEADER = [0x1a, 0x45, 0xdf, 0xa3]
const SEGMENT = [0x18, 0x53, 0x80, 0x67]
const CLUSTER = [0x1f, 0x43, 0xb6, 0x75]
const TRACKS = [0x16, 0x54, 0xae, 0x6b]
const UNKNOWN = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]

function element(id: readonly number[], ...contents: readonly (readonly number[])[]): number[] {
  const bytes = contents.flat()
  return [...id, 0x40 | (bytes.length >> 8), bytes.length & 0xff, ...bytes]
}

function track(number: number, ...delay: readonly number[]): number[] {
  const codecDelay = delay.length === 0 ? [] : element([0x56, 0xaa], delay)
  return element([0xae], element([0x83], [2]), element([0xd7], [number]), codecDelay)
}

async function read(...bytes: readonly (readonly number[])[]): Promise<[number, number][]> {
  const path = join(scratchDirectory(), 'made.webm')
  await writeFile(path, Uint8Array.from(bytes.flat()))
  return [...(await readCodecDelays(path))]
}

/** 6.5 ms in nanoseconds: what libopus skips. */
const DELAY = [0x63, 0x2e, 0xa0]

describe('the delay of a codec', () => {
  it('is read from the description of its track', async () => {
    const tracks = element(TRACKS, track(1), track(2, ...DELAY))
    const expected = [
      [1, 0],
      [2, 0.0065],
    ]
    expect(await read(element(HEADER), element(SEGMENT, tracks))).toEqual(expected)
    // one that was written as a stream, and one whose tracks come late
    expect(await read(element(HEADER), [...SEGMENT, ...UNKNOWN], tracks, [...CLUSTER, ...UNKNOWN])).toEqual(
      expected,
    )
    expect(await read(element(HEADER), element(SEGMENT, element(CLUSTER, [1, 2]), tracks))).toEqual(expected)
    // with a gap whose length has eight bytes
    const gap = [0xec, 0x01, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3]
    expect(await read(element(HEADER), element(SEGMENT, gap, tracks))).toEqual(expected)
  })

  it('is none where the file says none, or is none', async () => {
    expect(await read(element(SEGMENT, element(TRACKS)))).toEqual([])
    expect(await read()).toEqual([])
    expect(await read([0, 0, 0, 0x20, 0x66, 0x74, 0x79, 0x70])).toEqual([])
    // a cluster without an end before the tracks
    expect(await read([...SEGMENT, ...UNKNOWN], [...CLUSTER, ...UNKNOWN], element(TRACKS, track(1)))).toEqual(
      [],
    )
    // a length beyond the end of the file, and one beyond all measure
    expect(await read([...SEGMENT, ...UNKNOWN], [...TRACKS, 0x81])).toEqual([])
    expect(await read([...SEGMENT, ...UNKNOWN], [...TRACKS, ...UNKNOWN])).toEqual([])
  })
})
