import { readFileSync } from 'node:fs'
import { join } from './packetizers.ts'

/** The frames in the files that `data/make.sh` makes, as an encoder hands them out. */
export function readFrames(name: string): Uint8Array[] {
  const bytes = new Uint8Array(readFileSync(new URL(`data/${name}`, import.meta.url)))
  switch (name.slice(name.lastIndexOf('.'))) {
    case '.ivf':
      return readIvf(bytes)
    case '.264':
      return readAccessUnits(bytes, h264Unit)
    case '.265':
      return readAccessUnits(bytes, h265Unit)
    case '.ogg':
      return readOgg(bytes).slice(2)
    default:
      return readRaw(bytes)
  }
}

/** 32 bytes of header, then 12 before each frame: its length, little-endian, and its time. */
function readIvf(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer)
  const frames: Uint8Array[] = []
  for (let at = view.getUint16(6, true); at < bytes.length;) {
    const length = view.getUint32(at, true)
    frames.push(bytes.slice(at + 12, at + 12 + length))
    at += 12 + length
  }
  return frames
}

/** Whether a unit is of the picture itself, and whether it can be the first of an access unit that follows another. */
type UnitKind = (unit: Uint8Array) => { picture: boolean; first: boolean }

const h264Unit: UnitKind = (unit) => {
  const type = unit[0]! & 0x1f
  const picture = type >= 1 && type <= 5
  // first_mb_in_slice of 0 is a one
  return { picture, first: picture ? (unit[1]! & 0x80) !== 0 : type >= 6 && type <= 9 }
}

const h265Unit: UnitKind = (unit) => {
  const type = unit[0]! >> 1
  const picture = type < 32
  // first_slice_segment_in_pic_flag
  return { picture, first: picture ? (unit[2]! & 0x80) !== 0 : type >= 32 && type <= 39 }
}

function readAccessUnits(bytes: Uint8Array, kindOf: UnitKind): Uint8Array[] {
  const starts: { at: number; from: number }[] = []
  for (let i = 0; i + 2 < bytes.length; i++) {
    if (bytes[i] !== 0 || bytes[i + 1] !== 0 || bytes[i + 2] !== 1) continue
    starts.push({ at: i > 0 && bytes[i - 1] === 0 ? i - 1 : i, from: i + 3 })
  }
  const accessUnits: Uint8Array[][] = []
  let pictureSeen = true
  starts.forEach(({ at, from }, i) => {
    const end = starts[i + 1]?.at ?? bytes.length
    const { picture, first } = kindOf(bytes.subarray(from, end))
    if (first && pictureSeen) {
      accessUnits.push([])
      pictureSeen = false
    }
    pictureSeen ||= picture
    accessUnits.at(-1)!.push(bytes.slice(at, end))
  })
  return accessUnits.map((units) => join(...units))
}

/** Pages of 27 bytes, a table of segments, and these; a packet ends with a segment shorter than 255 (RFC 3533 section 6). */
function readOgg(bytes: Uint8Array): Uint8Array[] {
  const packets: Uint8Array[] = []
  let open: Uint8Array[] = []
  for (let page = 0; page < bytes.length;) {
    const count = bytes[page + 26]!
    let at = page + 27 + count
    for (const length of bytes.subarray(page + 27, page + 27 + count)) {
      open.push(bytes.subarray(at, at + length))
      at += length
      if (length === 255) continue
      packets.push(join(...open))
      open = []
    }
    page = at
  }
  return packets
}

/** 20 ms at 64 kbit/s, which G.711 and G.722 both have. */
function readRaw(bytes: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += 160) frames.push(bytes.slice(at, at + 160))
  return frames
}

/** As depacketizers give it: start codes of four bytes, no temporal delimiter. */
export function canonical(codec: string, frame: Uint8Array): Uint8Array {
  if (codec === 'AV1') return frame.slice(2)
  if (codec !== 'H264' && codec !== 'H265') return frame
  const text = Buffer.from(frame).toString('latin1')
  // eslint-disable-next-line no-control-regex -- start codes are made of them
  return Uint8Array.from(Buffer.from(text.replaceAll(/\0?\0\0\x01/g, '\0\0\0\x01'), 'latin1'))
}
