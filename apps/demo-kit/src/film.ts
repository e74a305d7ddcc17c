import { readFileSync } from 'node:fs'

/** One frame of a film. */
export interface FilmFrame {
  readonly data: Uint8Array
  readonly keyframe: boolean
}

/** The frames of an IVF file of VP8, as `ffmpeg` writes it. */
export function readIvf(file: string): FilmFrame[] {
  const bytes = readFileSync(file)
  const frames: FilmFrame[] = []
  for (let at = bytes.readUInt16LE(6); at + 12 <= bytes.length;) {
    const length = bytes.readUInt32LE(at)
    const data = new Uint8Array(bytes.subarray(at + 12, at + 12 + length))
    // RFC 6386 section 9.1: the lowest bit of a keyframe is clear
    frames.push({ data, keyframe: (data[0]! & 1) === 0 })
    at += 12 + length
  }
  return frames
}
