import {
  DependencyDescriptorReader,
  EXTENSION_URIS,
  ExtensionIds,
  findHeaderExtension,
  parseRtpHeader,
  readComfortNoise,
  readHeaderExtensions,
  readRed,
  readRtx,
  readTelephoneEvent,
  renameHeaderExtension,
  TelephoneEventReader,
  writeComfortNoise,
  writeHeaderExtensions,
  writeRtpHeader,
  writeRtx,
  writeTelephoneEvent,
} from '@str0m/rtp'
import { isDeepStrictEqual } from 'node:util'
import { check, sameBytes, unlessRefused } from '../check.ts'
import { counted, FuzzInput, program } from '../input.ts'

// RTP headers, header extensions, retransmissions, redundant audio, telephone events and dependency descriptors.

const IDS = new ExtensionIds(Object.values(EXTENSION_URIS).map((uri, i) => ({ id: i + 1, uri })))

function packet(bytes: Uint8Array): void {
  parseRtpHeader(bytes, bytes.length, true)
  const header = parseRtpHeader(bytes)
  if (header === undefined) return
  const { payloadStart, payloadLength, paddingLength } = header
  check(payloadLength >= 0, 'a payload has no negative length')
  check(payloadStart + payloadLength + paddingLength === bytes.length, 'the parts make the whole')
  // the header written again
  const elements = bytes.slice(header.extensionStart, header.extensionStart + header.extensionLength)
  const out = new Uint8Array(payloadStart + 4)
  const at = writeRtpHeader(out, header, header.extensionProfile, elements)
  const again = parseRtpHeader(out, at)
  check(again !== undefined, 'what is written is a header')
  for (const key of ['marker', 'payloadType', 'sequenceNumber', 'timestamp', 'ssrc'] as const) {
    check(again[key] === header[key], `${key} is read as it was written`)
  }
  check(isDeepStrictEqual(again.csrcs, header.csrcs), 'the CSRCs are read as they were written')

  const extensions = readHeaderExtensions(bytes, header, IDS)
  // text that is no UTF-8 is longer when it is written
  const written = unlessRefused(() => writeHeaderExtensions(extensions, IDS))
  if (written !== undefined) {
    const place = {
      extensionProfile: written.profile,
      extensionStart: 0,
      extensionLength: written.bytes.length,
    }
    const reread = readHeaderExtensions(written.bytes, place, IDS)
    const twice = unlessRefused(() => writeHeaderExtensions(reread, IDS))
    check(twice !== undefined && sameBytes(twice.bytes, written.bytes), 'extensions are written the same')
  }
  for (let id = 0; id < 16; id++) {
    const found = findHeaderExtension(bytes, header, id)
    check(found <= payloadStart, 'an extension lies in the header')
    const renamed = bytes.slice()
    if (renameHeaderExtension(renamed, header, id, 14)) {
      check(findHeaderExtension(renamed, header, 14) >= 0, 'a renamed extension is there')
    }
  }
  const original = readRtx(bytes, header, { pt: 100, ssrc: 9 })
  if (original !== undefined) {
    check(original.payloadLength >= 0, 'a retransmitted payload has no negative length')
    check(original.payloadStart + original.payloadLength <= bytes.length, 'nor does it run past the end')
  }
  const whole = bytes.slice(0, payloadStart + payloadLength)
  whole[0]! &= 0xdf
  const rtx = writeRtx(whole, payloadStart, { pt: 97, ssrc: 5, sequenceNumber: 7 }, 4)
  const rtxHeader = parseRtpHeader(rtx.buffer, rtx.length)
  const back = rtxHeader && readRtx(rtx.buffer, rtxHeader, { pt: header.payloadType, ssrc: header.ssrc })
  check(back?.sequenceNumber === header.sequenceNumber, 'a retransmission says what it was')
  check(back.payloadLength === payloadLength, 'and is as long')
}

function audio(input: FuzzInput): void {
  const reader = new TelephoneEventReader()
  let timestamp = input.u32()
  while (!input.done) {
    timestamp = (timestamp + (input.below(4) === 0 ? 0xffff : input.u8())) >>> 0
    const payload = input.bytes()
    const event = readTelephoneEvent(payload)
    if (event !== undefined) {
      const again = readTelephoneEvent(writeTelephoneEvent(event))
      check(isDeepStrictEqual(again, event), 'an event is read as it was written')
    }
    const report = reader.handlePacket(timestamp, payload)
    check(report === undefined || report.duration >= 0, 'an event lasts')
    const noise = readComfortNoise(payload)
    if (noise !== undefined) {
      check(isDeepStrictEqual(readComfortNoise(writeComfortNoise(noise)), noise), 'comfort noise too')
    }
    const blocks = readRed(payload)
    if (blocks !== undefined) {
      const sum = blocks.reduce((length, block) => length + block.payload.length, 0)
      check(sum <= payload.length, 'blocks are no more than their packet')
    }
  }
}

function descriptors(input: FuzzInput): void {
  const reader = new DependencyDescriptorReader()
  while (!input.done) {
    const descriptor = reader.read(input.bytes())
    if (descriptor === undefined) continue
    const { structure, decodeTargetIndications, chainDifferences } = descriptor
    check(structure.templates.length <= 64, 'templates are bounded')
    check(decodeTargetIndications.length === structure.decodeTargets.length, 'each target has its indication')
    check(chainDifferences.length === structure.chains, 'each chain has its difference')
    check(Number.isSafeInteger(descriptor.activeDecodeTargets), 'active targets are bits')
  }
}

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  const kind = input.below(3)
  if (kind === 0) packet(input.rest())
  else if (kind === 1) audio(input)
  else descriptors(input)
}

export function seeds(): Uint8Array[] {
  const packets: Uint8Array[] = []
  for (const extended of [
    {},
    { mid: '0', rid: 'h', repairedRid: 'h', audioLevel: 5, voiceActivity: true, transportSequenceNumber: 7 },
    { absoluteSendTime: 9, transmissionOffset: -4, videoRotation: 90, playoutDelay: { min: 10, max: 20 } },
    { csrcAudioLevels: [1, 2], videoContentType: 1, videoTiming: new Uint8Array(13) },
    { colorSpace: new Uint8Array(28), dependencyDescriptor: Uint8Array.of(0xc0, 0, 1) },
  ]) {
    const extensions = writeHeaderExtensions(extended, IDS)
    const out = new Uint8Array(200)
    const fields = {
      marker: true,
      payloadType: 96,
      sequenceNumber: 65_535,
      timestamp: 1,
      ssrc: 2,
      csrcs: [3, 4],
    }
    const at = writeRtpHeader(out, fields, extensions?.profile, extensions?.bytes)
    packets.push(out.slice(0, at + 20))
  }
  const padded = packets[0]!.slice()
  padded[0]! |= 0x20
  padded[padded.length - 1] = 4
  const event = writeTelephoneEvent({ event: 5, end: false, volume: 10, duration: 800 })
  const end = writeTelephoneEvent({ event: 5, end: true, volume: 10, duration: 1600 })
  const red = program(0xef, 0, 0x14, 2, 111, 1, 2, 3, 4, 5)
  // from the specification's example: L1T3 with a chain
  const structure = program(
    0x80,
    0,
    1,
    0x80,
    1,
    0x42,
    0xaa,
    0x80,
    0x02,
    0x20,
    0x00,
    0x11,
    0x00,
    0x30,
    0x12,
    0x34,
  )
  return [
    ...[...packets, padded].map((bytes) => program(0, bytes)),
    program(1, 0, 0, 0, 9, 1, 0, counted(event), 1, 0, counted(end), 0, counted(event)),
    program(1, 0, 0, 0, 9, 1, 0, counted(red), 1, 1, counted(program(0x55, 1, 2))),
    program(2, counted(structure), counted(program(0x80, 0, 2)), counted(program(0x81, 0, 3, 0x40, 3))),
  ]
}
