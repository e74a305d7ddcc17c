import type { Codec, MediaData } from '@str0m/rtc'
import type { FilePacket, FileTracks, PacketSink } from '../src/recorder.ts'

/** SPS and PPS as x264 makes them, of 320×240. */
export const PARAMETERS: Uint8Array = Uint8Array.from(
  Buffer.from('000000016742c00dda0507ec0440000003004000000c83c50aa80000000168ce0fc8', 'hex'),
)

/** A VP8 frame of so many bytes, which says itself whether it is a keyframe, and its size. */
export function vp8(length: number, size?: readonly [number, number]): Uint8Array {
  const frame = new Uint8Array(Math.max(length, 10)).fill(length)
  if (size === undefined) frame[0] = 0x11
  else frame.set([0x10, 0, 0, 0x9d, 0x01, 0x2a, size[0] & 0xff, size[0] >> 8, size[1] & 0xff, size[1] >> 8])
  return frame
}

/** An H.264 frame in the byte-stream format. */
export function h264(length: number, keyframe: boolean): Uint8Array {
  const slice = new Uint8Array(length).fill(0x55)
  // a one behind the header: it is the first of its picture, as the profile of the parameter sets has it
  slice.set([0, 0, 0, 1, keyframe ? 0x65 : 0x41, 0xd5])
  return keyframe ? Uint8Array.from([...PARAMETERS, ...slice]) : slice
}

function codec(name: string): Codec {
  const kind = name === 'opus' ? 'audio' : 'video'
  const clockRate = kind === 'audio' ? 48_000 : 90_000
  return { pt: 96, sendPt: 96, kind, name, clockRate, parameters: new Map(), feedback: [] }
}

/** A picture as it comes in: `ms` on the sender's clock, which arrives `late` ms after. */
export function picture(
  ms: number,
  data: Uint8Array,
  more: Partial<MediaData> & { late?: number } = {},
): MediaData {
  const { late = 0, ...fields } = more
  return {
    type: 'mediaData',
    mid: '1',
    ssrc: 2,
    pt: 96,
    codec: codec('VP8'),
    time: { value: 1_000_000 + ms * 90, clockRate: 90_000 },
    data,
    keyframe: (data[0]! & 1) === 0,
    contiguous: true,
    receivedAt: 5000 + ms + late,
    layers: undefined,
    captureTime: undefined,
    dependency: undefined,
    extensions: {},
    ...fields,
  }
}

/** The same in H.264. */
export function picture264(ms: number, keyframe: boolean, more: Partial<MediaData> = {}): MediaData {
  return picture(ms, h264(100, keyframe), { codec: codec('H264'), keyframe, ...more })
}

/** 20 ms of sound as they come in. */
export function sound(ms: number, more: Partial<MediaData> & { late?: number } = {}): MediaData {
  return {
    ...picture(ms, Uint8Array.of(0xfc, 1, 2), more),
    mid: '0',
    ssrc: 1,
    codec: codec('opus'),
    keyframe: true,
    time: { value: 77 + ms * 48, clockRate: 48_000 },
    ...more,
  }
}

/** Keeps what it is given. */
export class ListSink implements PacketSink {
  tracks: FileTracks | undefined
  readonly packets: FilePacket[] = []
  videoEnded = false
  full = false

  start(tracks: FileTracks): void {
    this.tracks = tracks
  }

  write(packet: FilePacket): boolean {
    if (!this.full) this.packets.push(packet)
    return !this.full
  }

  endVideo(): void {
    this.videoEnded = true
  }

  /** Milliseconds of what was written of one kind. */
  times(kind: 'audio' | 'video'): number[] {
    return this.packets.filter((packet) => packet.kind === kind).map(({ time }) => Math.round(time * 1000))
  }
}
