import {
  EXTENSION_URIS,
  ExtensionIds,
  MAX_MISSING_PACKETS,
  parseRtpHeader,
  readHeaderExtensions,
  type StreamCodec,
  StreamRx,
  writeRtpHeader,
} from '@str0m/rtp'
import { SeededRandom } from '@str0m/sans-io'
import { check } from '../check.ts'
import { counted, FuzzInput, program } from '../input.ts'
import { PACKETIZERS } from './depacketize.ts'

// One stream that is received: packets in any order, of any codec, and time.

const IDS = new ExtensionIds(Object.values(EXTENSION_URIS).map((uri, i) => ({ id: i + 1, uri })))
const OPUS: StreamCodec = { pt: 111, name: 'opus', clockRate: 48_000, kind: 'audio' }
const CODECS: readonly StreamCodec[] = [
  OPUS,
  { pt: 96, name: 'VP8', clockRate: 90_000, kind: 'video' },
  { pt: 98, name: 'VP9', clockRate: 90_000, kind: 'video' },
  { pt: 102, name: 'H264', clockRate: 90_000, kind: 'video' },
  { pt: 104, name: 'H265', clockRate: 90_000, kind: 'video' },
  { pt: 106, name: 'AV1', clockRate: 90_000, kind: 'video' },
  { pt: 63, name: 'red', clockRate: 48_000, kind: 'audio', primary: OPUS },
  { pt: 110, name: 'telephone-event', clockRate: 8000, kind: 'audio' },
  { pt: 13, name: 'CN', clockRate: 8000, kind: 'audio' },
  { pt: 1, name: 'unheard-of', clockRate: 1, kind: 'video' },
]
const MAX_PACKETS = 400

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  const flags = input.u8()
  const rx = new StreamRx({
    ssrc: 1,
    nack: (flags & 1) !== 0,
    frames: (flags & 2) === 0,
    ...((flags & 4) === 0 ? {} : { maxReorderWait: 0 }),
  })
  let codec = input.pick(CODECS)
  let now = 0
  let sequenceNumber = input.u16()
  let timestamp = input.u32()
  let received = 0
  const settle = (): void => {
    if (rx.deadline <= now) rx.handleTimeout(now)
    check(rx.takeNacks(now, flags).length <= MAX_MISSING_PACKETS, 'what is asked for again is bounded')
    check(rx.deadline > now, `timers advance: it is ${now}, and the next is at ${rx.deadline}`)
    for (let frame = rx.pollFrame(); frame !== undefined; frame = rx.pollFrame()) {
      check(frame.data.length <= 5 * received + 16, 'a frame is no more than its packets')
    }
  }
  for (let i = 0; i < MAX_PACKETS && !input.done; i++) {
    const op = input.u8()
    let back = 0
    // the low three bits: what goes on beside the next packet
    if ((op & 7) === 1) codec = input.pick(CODECS)
    else if ((op & 7) === 2) now += input.u16()
    else if ((op & 7) === 3) sequenceNumber = (sequenceNumber + input.u16()) & 0xffff
    else if ((op & 7) === 4) sequenceNumber = (sequenceNumber - input.u8()) & 0xffff
    else if ((op & 7) === 5) timestamp = input.u32()
    else if ((op & 7) === 6) back = input.u8()
    else if ((op & 7) === 7) {
      rx.handleSenderReport(now, {
        type: 'senderReport',
        ssrc: 1,
        ntpTime: BigInt(input.u32()) << BigInt(input.below(33)),
        rtpTime: input.u32(),
        packetCount: 0,
        octetCount: 0,
        reports: [],
      })
    }
    if ((op & 8) !== 0) sequenceNumber = (sequenceNumber + 1) & 0xffff
    if ((op & 16) !== 0) timestamp = (timestamp + 3000) >>> 0
    if ((op & 32) !== 0) now += 20
    const elements = (op & 64) === 0 ? undefined : input.bytes()
    const payload = input.bytes()
    const padded = elements && new Uint8Array(4 * Math.ceil(elements.length / 4))
    padded?.set(elements ?? [])
    const datagram = new Uint8Array(16 + (padded?.length ?? 0) + payload.length)
    const fields = { marker: (op & 128) !== 0, payloadType: codec.pt, sequenceNumber, timestamp, ssrc: 1 }
    const at = writeRtpHeader(datagram, fields, (flags & 8) === 0 ? 0xbede : 0x1000, padded)
    datagram.set(payload, at)
    const header = parseRtpHeader(datagram, at + payload.length)
    check(header !== undefined, 'a packet has a header')
    received += payload.length
    const extensions = readHeaderExtensions(datagram, header, IDS)
    const body = datagram.subarray(at, at + payload.length)
    if ((flags & 16) !== 0 && (op & 7) === 4)
      rx.handleRetransmission(now - back, header, body, codec, extensions)
    else rx.handlePacket(now - back, header, body, codec, extensions)
    settle()
  }
  for (const value of Object.values(rx.statistics)) check(!Number.isNaN(value), 'statistics are numbers')
  for (let rounds = 0; rx.deadline !== Infinity; rounds++) {
    check(rounds < 200, 'left alone it comes to rest')
    now = Math.max(now + 1, rx.deadline)
    settle()
  }
  rx.report(now)
  rx.captureTime(timestamp)
}

export function seeds(): Uint8Array[] {
  return PACKETIZERS.flatMap((packetize, codec) =>
    [0, 1, 16, 25].map((flags) => {
      const random = new SeededRandom(1 + codec + flags)
      const parts: (number | Uint8Array)[] = [flags, codec, 0xff, 0xf0, 0, 0, 0, 0]
      for (let frame = 0; frame < 3; frame++) {
        const { payloads } = packetize(random, frame === 0)
        payloads.forEach((payload, i) => {
          const last = i === payloads.length - 1 ? 128 : 0
          parts.push((i === 0 ? 16 : 0) | 8 | 32 | last, counted(payload))
        })
      }
      return program(...parts)
    }),
  ).concat([
    program(
      0,
      6,
      0,
      1,
      0,
      0,
      0,
      0,
      40,
      counted(program(0xef, 0, 0x14, 2, 111, 1, 2, 3, 4)),
      56,
      counted(program(111, 1)),
    ),
    program(0, 7, 0, 1, 0, 0, 0, 0, 40, counted(program(5, 10, 0, 80)), 40, counted(program(5, 0x8a, 0, 80))),
    program(1, 1, 0, 1, 0, 0, 0, 0, 7, 1, 2, 3, 4, 32, 5, 6, 7, 8, counted(program(0x10, 0x10, 1))),
  ])
}
