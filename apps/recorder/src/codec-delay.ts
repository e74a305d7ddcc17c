import { type FileHandle, open } from 'node:fs/promises'

// A Matroska file (RFC 9559) is of EBML elements (RFC 8794), each an id, a length and contents. What is looked for is in Segment > Tracks > TrackEntry.

const SEGMENT = 0x1853_8067
const TRACKS = 0x1654_ae6b
const TRACK_ENTRY = 0xae
const TRACK_NUMBER = 0xd7
const CODEC_DELAY = 0x56aa
/** Bytes of an id, and of an id and a length. */
const MAX_ID_LENGTH = 4
const MAX_HEADER_LENGTH = MAX_ID_LENGTH + 8
/** Bytes of the descriptions of all tracks: more than any file has. */
const MAX_TRACKS_LENGTH = 1 << 20
const NANOSECONDS = 1e9

interface Element {
  readonly id: number
  /** Where its contents start. */
  readonly start: number
  /** Where they end; `Infinity` where it is not told, as of a file that was written as a stream. */
  readonly end: number
}

/**
 * What a Matroska file says of the delay of its codecs, in seconds, by the number of the track: so much earlier than a block's time is what is in it to be played (CodecDelay
 * of RFC 9559). Of Opus it is what the decoder skips at the start. Empty for a file that is none.
 */
export async function readCodecDelays(path: string): Promise<ReadonlyMap<number, number>> {
  const file = await open(path)
  try {
    const bytes = await readTracks(file)
    return new Map(childrenOf(bytes, TRACK_ENTRY).map((entry) => delayOf(entry)))
  } finally {
    await file.close()
  }
}

/** The contents of the first element `Tracks`; empty where there is none. */
async function readTracks(file: FileHandle): Promise<Uint8Array> {
  const none = new Uint8Array(0)
  const header = new Uint8Array(MAX_HEADER_LENGTH)
  for (let at = 0; at < Infinity;) {
    const { bytesRead } = await file.read(header, 0, header.length, at)
    const element = readElement(header.subarray(0, bytesRead), 0)
    if (element === undefined) return none
    const { id, start, end } = element
    if (id === TRACKS) {
      if (end - start > MAX_TRACKS_LENGTH) return none
      const bytes = new Uint8Array(end - start)
      await file.read(bytes, 0, bytes.length, at + start)
      return bytes
    }
    at += id === SEGMENT ? start : end
  }
  return none
}

function delayOf(entry: Uint8Array): readonly [number: number, seconds: number] {
  const [number] = childrenOf(entry, TRACK_NUMBER)
  const [delay] = childrenOf(entry, CODEC_DELAY)
  return [unsigned(number), unsigned(delay) / NANOSECONDS]
}

/** The contents of the elements in `bytes` that have this id. */
function childrenOf(bytes: Uint8Array, id: number): Uint8Array[] {
  const found: Uint8Array[] = []
  for (let at = 0; ;) {
    const element = readElement(bytes, at)
    if (element === undefined) return found
    if (element.id === id) found.push(bytes.subarray(element.start, element.end))
    at = element.end
  }
}

/** RFC 8794 sections 5 and 6. `undefined` where none starts at `at`. */
function readElement(bytes: Uint8Array, at: number): Element | undefined {
  const idLength = lengthOf(bytes[at])
  const sizeAt = at + idLength
  const sizeLength = lengthOf(bytes[sizeAt])
  const start = sizeAt + sizeLength
  if (idLength > MAX_ID_LENGTH || start > bytes.length) return undefined
  // the length's marker is the highest bit that can be set; all ones say that it is unknown
  const size = unsigned(bytes.subarray(sizeAt, start), 0xff >> sizeLength)
  const isUnknown = size >= 2 ** (7 * sizeLength) - 1
  return { id: unsigned(bytes.subarray(at, sizeAt)), start, end: isUnknown ? Infinity : start + size }
}

/** Bytes of a variable-length integer, by its first, RFC 8794 section 4; more than there can be where that is none. */
function lengthOf(first: number | undefined): number {
  return first === undefined || first === 0 ? Infinity : Math.clz32(first) - 23
}

/** RFC 8794 section 7.2: an integer without bytes is 0. `mask`: what counts of the first. */
function unsigned(bytes: Uint8Array = new Uint8Array(0), mask = 0xff): number {
  return bytes.reduce((value, byte, i) => 256 * value + (i === 0 ? byte & mask : byte), 0)
}
