import { ByteWriter, decodeUtf8, encodeUtf8, UsageError } from '@str0m/sans-io'
import type { RtpHeader } from './rtp-header.ts'

/** The header extensions that are understood, by their URIs. */
export const EXTENSION_URIS = {
  /** RFC 6464 */
  audioLevel: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  /** RFC 6465 */
  csrcAudioLevel: 'urn:ietf:params:rtp-hdrext:csrc-audio-level',
  absoluteSendTime: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  transportSequenceNumber: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  /** RFC 9143 section 15 */
  mid: 'urn:ietf:params:rtp-hdrext:sdes:mid',
  /** RFC 8852 section 3 */
  rid: 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  repairedRid: 'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
  /** RFC 5450 */
  transmissionOffset: 'urn:ietf:params:rtp-hdrext:toffset',
  videoOrientation: 'urn:3gpp:video-orientation',
  playoutDelay: 'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
  videoContentType: 'http://www.webrtc.org/experiments/rtp-hdrext/video-content-type',
  videoTiming: 'http://www.webrtc.org/experiments/rtp-hdrext/video-timing',
  colorSpace: 'http://www.webrtc.org/experiments/rtp-hdrext/color-space',
  /** AV1 RTP payload specification, appendix A. */
  dependencyDescriptor:
    'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension',
} as const

export type ExtensionName = keyof typeof EXTENSION_URIS

const NAMES_BY_URI: ReadonlyMap<string, ExtensionName> = new Map(
  Object.entries(EXTENSION_URIS).map(([name, uri]) => [uri, name as ExtensionName]),
)

/** RFC 8285 section 4.2. */
const ONE_BYTE_PROFILE = 0xbede
/** RFC 8285 section 4.3: 0x100 and four bits for the application. */
const TWO_BYTE_PROFILE = 0x1000

/** RFC 8285 section 4.3: eight bits of length. */
const MAX_ELEMENT_LENGTH = 255

/** The values that one packet carries. */
export interface HeaderExtensions {
  /** Level in −dBov, 0 (loudest) to 127 (silence), RFC 6464. */
  audioLevel?: number
  /** Whether it is speech. Written with `audioLevel` alone. */
  voiceActivity?: boolean
  /** Levels of the contributing sources in −dBov, in the order of the CSRCs, RFC 6465. */
  csrcAudioLevels?: number[]
  /** Seconds modulo 64, in units of 2⁻¹⁸ s: 24 bits. */
  absoluteSendTime?: number
  /** 16 bits. */
  transportSequenceNumber?: number
  mid?: string
  rid?: string
  repairedRid?: string
  /** Clock ticks between the timestamp and the sending, 24 bits, signed, RFC 5450. */
  transmissionOffset?: number
  /** Degrees clockwise by which the receiver is to turn the picture: 0, 90, 180 or 270 (3GPP TS 26.114 section 7.4.5). */
  videoRotation?: number
  /** Milliseconds, 0 to 40950: rounded to the nearest ten. */
  playoutDelay?: { min: number; max: number }
  /** 0 unspecified, 1 screenshare. */
  videoContentType?: number
  /** As on the wire: 13 bytes. */
  videoTiming?: Uint8Array
  /** As on the wire: 4 or 28 bytes. */
  colorSpace?: Uint8Array
  /** As on the wire. */
  dependencyDescriptor?: Uint8Array
}

/** The negotiated ids of one media section or transport, `a=extmap` of RFC 8285 section 5. */
export class ExtensionIds {
  readonly #names: (ExtensionName | undefined)[] = []
  readonly #ids = new Map<ExtensionName, number>()

  constructor(mappings: Iterable<{ readonly id: number; readonly uri: string }> = []) {
    for (const { id, uri } of mappings) this.add(id, uri)
  }

  /** Adds a mapping. A URI that is not understood changes nothing. */
  add(id: number, uri: string): void {
    const name = NAMES_BY_URI.get(uri)
    if (name !== undefined) this.map(id, name)
  }

  /** Adds a mapping, in place of an earlier one of this id or this name. An id out of 1 to 255 changes nothing. */
  map(id: number, name: ExtensionName): void {
    if (!(Number.isInteger(id) && id >= 1 && id <= 255)) return
    const idBefore = this.#ids.get(name)
    if (idBefore !== undefined) this.#names[idBefore] = undefined
    const nameBefore = this.#names[id]
    if (nameBefore !== undefined) this.#ids.delete(nameBefore)
    this.#names[id] = name
    this.#ids.set(name, id)
  }

  /** What an id stands for. */
  name(id: number): ExtensionName | undefined {
    return this.#names[id]
  }

  /** The id of an extension. */
  id(name: ExtensionName): number | undefined {
    return this.#ids.get(name)
  }
}

/** Where the extension's elements are, and in which form: a `RtpHeader` has it. */
export type ExtensionPlace = Pick<RtpHeader, 'extensionProfile' | 'extensionStart' | 'extensionLength'>

/** Goes from one element to the next, RFC 8285 sections 4.2 and 4.3. It stops at what is malformed. */
class ElementReader {
  readonly oneByte: boolean
  readonly #bytes: Uint8Array
  readonly #end: number
  #next: number
  /** Of the element that `next` has come to: its id, and where its value is. */
  id = 0
  at = 0
  length = 0

  constructor(bytes: Uint8Array, { extensionProfile, extensionStart, extensionLength }: ExtensionPlace) {
    this.oneByte = extensionProfile === ONE_BYTE_PROFILE
    const isKnown = this.oneByte || extensionProfile >> 4 === TWO_BYTE_PROFILE >> 4
    this.#bytes = bytes
    this.#next = extensionStart
    this.#end = isKnown ? extensionStart + extensionLength : extensionStart
  }

  next(): boolean {
    const bytes = this.#bytes
    const end = this.#end
    let at = this.#next
    // padding
    while (at < end && bytes[at] === 0) at++
    if (at >= end) return false
    const first = bytes[at++]!
    if (this.oneByte) {
      this.id = first >> 4
      // RFC 8285 section 4.2: 15 ends the reading, and so does 0 with a length
      if (this.id === 15 || this.id === 0) return false
      this.length = (first & 0x0f) + 1
    } else {
      if (at >= end) return false
      this.id = first
      this.length = bytes[at++]!
    }
    this.at = at
    this.#next = at + this.length
    return this.#next <= end
  }
}

/** Reads the extensions of a packet whose header is `header`. Malformed ones, and what follows them, are left out. */
export function readHeaderExtensions(
  bytes: Uint8Array,
  header: ExtensionPlace,
  ids: ExtensionIds,
): HeaderExtensions {
  const extensions: HeaderExtensions = {}
  const reader = new ElementReader(bytes, header)
  while (reader.next()) {
    const name = ids.name(reader.id)
    if (name !== undefined) readElement(extensions, name, bytes, reader.at, reader.length)
  }
  return extensions
}

/** Where the value of the first element with this id starts in `bytes`; -1 where there is none. */
export function findHeaderExtension(bytes: Uint8Array, header: ExtensionPlace, id: number): number {
  const reader = new ElementReader(bytes, header)
  while (reader.next()) if (reader.id === id) return reader.at
  return -1
}

/** Whether the first element with this id has another value than `value`; false where there is none. */
export function hasOtherExtension(
  bytes: Uint8Array,
  header: ExtensionPlace,
  id: number,
  value: Uint8Array,
): boolean {
  const reader = new ElementReader(bytes, header)
  while (reader.next()) {
    if (reader.id !== id) continue
    if (reader.length !== value.length) return true
    for (let i = 0; i < value.length; i++) if (bytes[reader.at + i] !== value[i]) return true
    return false
  }
  return false
}

/** Gives the first element with the id `from` the id `to`, in its place. False where there is none, or where its form has no room for `to`. */
export function renameHeaderExtension(
  bytes: Uint8Array,
  header: ExtensionPlace,
  from: number,
  to: number,
): boolean {
  const oneByte = header.extensionProfile === ONE_BYTE_PROFILE
  if (!(to >= 1 && to <= (oneByte ? 14 : 255))) return false
  const at = findHeaderExtension(bytes, header, from)
  if (at < 0) return false
  if (oneByte) bytes[at - 1] = (to << 4) | (bytes[at - 1]! & 0x0f)
  else bytes[at - 2] = to
  return true
}

function readElement(
  into: HeaderExtensions,
  name: ExtensionName,
  bytes: Uint8Array,
  at: number,
  length: number,
): void {
  switch (name) {
    case 'audioLevel':
      // the two-byte form has room for nothing at all
      if (length < 1) return
      into.audioLevel = bytes[at]! & 0x7f
      into.voiceActivity = (bytes[at]! & 0x80) !== 0
      return
    case 'csrcAudioLevel':
      into.csrcAudioLevels = Array.from(bytes.subarray(at, at + length), (level) => level & 0x7f)
      return
    case 'absoluteSendTime':
      if (length === 3) into.absoluteSendTime = readU24(bytes, at)
      return
    case 'transportSequenceNumber':
      if (length >= 2) into.transportSequenceNumber = (bytes[at]! << 8) | bytes[at + 1]!
      return
    case 'mid':
    case 'rid':
    case 'repairedRid':
      if (length > 0) into[name] = readText(bytes, at, at + length)
      return
    case 'transmissionOffset':
      if (length === 3) into.transmissionOffset = (readU24(bytes, at) << 8) >> 8
      return
    case 'videoOrientation':
      if (length >= 1) into.videoRotation = (bytes[at]! & 0x03) * 90
      return
    case 'playoutDelay': {
      if (length !== 3) return
      const both = readU24(bytes, at)
      // 12 bits each, in units of 10 ms
      into.playoutDelay = { min: (both >> 12) * 10, max: (both & 0xfff) * 10 }
      return
    }
    case 'videoContentType':
      if (length >= 1) into.videoContentType = bytes[at]!
      return
    case 'videoTiming':
      if (length === 13) into.videoTiming = new Uint8Array(bytes.subarray(at, at + length))
      return
    case 'colorSpace':
      if (length === 4 || length === 28) into.colorSpace = new Uint8Array(bytes.subarray(at, at + length))
      return
    case 'dependencyDescriptor':
      if (length > 0) into.dependencyDescriptor = new Uint8Array(bytes.subarray(at, at + length))
  }
}

/** Ids are short and nearly always ASCII, for which a decoder of UTF-8 is the slow way. */
function readText(bytes: Uint8Array, from: number, to: number): string {
  let text = ''
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!
    if (byte >= 0x80) return decodeUtf8(bytes.subarray(from, to))
    text += String.fromCharCode(byte)
  }
  return text
}

function readU24(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
}

/** The bytes of a header extension, and the profile that says which form they have. */
export interface WrittenExtensions {
  readonly profile: number
  readonly bytes: Uint8Array
}

/**
 * Writes extensions in the one-byte form, or in the two-byte form where an id or a length demands it (RFC 8285 section 4.1.2).
 * Values without an id are left out; `undefined` where nothing is left. The two-byte form wants `a=extmap-allow-mixed` of the peer. Throws
 * a `UsageError` (`invalid-extension`) where a value has more than 255 bytes.
 */
export function writeHeaderExtensions(
  extensions: HeaderExtensions,
  ids: ExtensionIds,
): WrittenExtensions | undefined {
  const elements: { id: number; value: Uint8Array }[] = []
  const push = (name: ExtensionName, value: Uint8Array | undefined): void => {
    const id = ids.id(name)
    if (value === undefined || id === undefined) return
    if (value.length > MAX_ELEMENT_LENGTH) {
      throw new UsageError('invalid-extension', `"${name}" has ${value.length} bytes: at most 255 fit`)
    }
    elements.push({ id, value })
  }
  const { playoutDelay } = extensions
  push('mid', text(extensions.mid))
  push('rid', text(extensions.rid))
  push('repairedRid', text(extensions.repairedRid))
  if (extensions.audioLevel !== undefined) {
    push(
      'audioLevel',
      Uint8Array.of((extensions.voiceActivity === true ? 0x80 : 0) | level(extensions.audioLevel)),
    )
  }
  if (extensions.csrcAudioLevels !== undefined) {
    push('csrcAudioLevel', Uint8Array.from(extensions.csrcAudioLevels, level))
  }
  push('absoluteSendTime', u24(extensions.absoluteSendTime))
  if (extensions.transportSequenceNumber !== undefined) {
    push('transportSequenceNumber', new ByteWriter(2).u16(extensions.transportSequenceNumber).finish())
  }
  push('transmissionOffset', u24(extensions.transmissionOffset))
  if (extensions.videoRotation !== undefined) {
    push('videoOrientation', Uint8Array.of((extensions.videoRotation / 90) & 0x03))
  }
  if (playoutDelay !== undefined) {
    push('playoutDelay', u24((tensOfMs(playoutDelay.min) << 12) | tensOfMs(playoutDelay.max)))
  }
  if (extensions.videoContentType !== undefined) {
    push('videoContentType', Uint8Array.of(extensions.videoContentType))
  }
  push('videoTiming', extensions.videoTiming)
  push('colorSpace', extensions.colorSpace)
  push('dependencyDescriptor', extensions.dependencyDescriptor)
  if (elements.length === 0) return undefined

  const oneByte = elements.every(({ id, value }) => id <= 14 && value.length >= 1 && value.length <= 16)
  const writer = new ByteWriter(64)
  for (const { id, value } of elements) {
    if (oneByte) writer.u8((id << 4) | (value.length - 1))
    else writer.u8(id).u8(value.length)
    writer.bytes(value)
  }
  writer.zeros((4 - (writer.length % 4)) % 4)
  return { profile: oneByte ? ONE_BYTE_PROFILE : TWO_BYTE_PROFILE, bytes: writer.finish() }
}

/** RFC 6464 section 3: seven bits; 127 is the quietest. */
function level(value: number): number {
  return Math.max(0, Math.min(127, Math.round(value)))
}

/** Twelve bits. */
function tensOfMs(value: number): number {
  return Math.max(0, Math.min(0xfff, Math.round(value / 10)))
}

function text(value: string | undefined): Uint8Array | undefined {
  return value === undefined ? undefined : encodeUtf8(value)
}

function u24(value: number | undefined): Uint8Array | undefined {
  return value === undefined ? undefined : new ByteWriter(3).u24(value).finish()
}
