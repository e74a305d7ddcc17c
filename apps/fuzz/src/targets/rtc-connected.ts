import { ExtensionIds, isRtcp, writeHeaderExtensions, writeRtcp, writeRtpHeader } from '@str0m/rtp'
import type { PacketForwarder, RtcEvent } from '@str0m/rtc'
import { MAX_RECEIVE_STREAMS } from '@str0m/rtc'
import { readU16, readU32, SeededRandom, writeU32 } from '@str0m/sans-io'
import { SctpAssociation } from '@str0m/sctp'
import { writeOpen } from '../../../../packages/sctp/src/wire/dcep.ts'
import { PacketWriter } from '../../../../packages/sctp/src/wire/packet.ts'
import { type Call, makeCall } from '../call.ts'
import { check, drain, unlessRefused } from '../check.ts'
import { fuzzCrypto } from '../crypto.ts'
import { counted, FuzzInput, program, runProgram } from '../input.ts'
import { PACKETIZERS } from './depacketize.ts'

// A whole endpoint that is connected, and a peer that has the keys: RTP, RTCP and SCTP of any content go through the right keys. Nothing is thrown, what grows is
// bounded, and genuine media comes through to the end.

const MAX_OPS = 200
/** Every payload type of the offers, and some that are in none. */
const PAYLOAD_TYPES = [
  111, 63, 9, 0, 8, 13, 110, 126, 96, 97, 98, 99, 100, 101, 102, 103, 45, 46, 49, 39, 40, 109, 119, 120, 121,
  122, 123, 124, 125, 127, 1, 35,
] as const
/** What the two offers call Opus, and the extension with the mid. */
const OFFERED = [
  { pt: 111, mid: 4 },
  { pt: 109, mid: 3 },
] as const
const GENUINE = 0xaaaa_0001

class World {
  readonly #input: FuzzInput
  readonly #call: Call
  readonly #peerSctp: SctpAssociation
  readonly #sequences = new Map<number, { sequence: number; timestamp: number }>()
  #tag = 0
  #genuine = 0
  #seen = 0
  #events = 0
  readonly #isPackets: boolean
  readonly #offered: (typeof OFFERED)[number]
  #frames = 0
  readonly #sent: { ssrc: number; sequence: number }[] = []
  #forwarder: PacketForwarder | undefined
  /** The peer said something that ends the call or the source, as it may. */
  #disturbed = false

  constructor(input: FuzzInput) {
    this.#input = input
    const flags = input.u8()
    this.#isPackets = (flags & 1) !== 0
    this.#offered = OFFERED[(flags >> 1) & 1]!
    this.#call = makeCall((flags >> 1) & 1, 'active', {
      rtpMode: this.#isPackets,
      maxMessageSize: 4096,
      ...((flags & 16) === 0 ? {} : { bandwidthEstimation: {} }),
    })
    const { rtc, peer, pair } = this.#call
    pair.runUntil(() => rtc.connected && peer.transport.connected)
    this.#peerSctp = new SctpAssociation({
      crypto: fuzzCrypto(71),
      headroom: 64,
      tailroom: 64,
      maxPacketSize: 1000,
    })
    const poll = rtc.pollOutput.bind(rtc)
    // the numbers that a peer may ask for again
    rtc.pollOutput = () => {
      const output = poll()
      if (output.kind === 'transmit' && output.contents[0]! >> 6 === 2 && !isRtcp(output.contents)) {
        this.#sent.push({ ssrc: readU32(output.contents, 8), sequence: readU16(output.contents, 2) })
        if (this.#sent.length > 64) this.#sent.shift()
      }
      return output
    }
    if ((flags & 4) !== 0) this.#write()
    if (this.#isPackets) {
      const video = rtc.medias.find(({ kind }) => kind === 'video')
      this.#forwarder = video?.forwarder(video.codecs[0]!.pt)
      this.#forwarder?.select(1)
    }
    if ((flags & 8) !== 0) {
      unlessRefused(() => rtc.addChannel('ours'))
      this.#peerSctp.connect(pair.now)
      for (let i = 0; i < 8; i++) this.#run(20)
    }
    this.#sendGenuine()
  }

  #sendGenuine(): void {
    const i = this.#genuine++
    const payload = Uint8Array.of(0xfc, i)
    const { pt, mid } = this.#offered
    this.#call.peer.sendRtp({
      pt,
      mid: [mid, '0'],
      ssrc: GENUINE,
      sequenceNumber: i,
      timestamp: 960 * i,
      payload,
    })
  }

  /** A frame of each section, or a packet. */
  #write(): void {
    const { rtc } = this.#call
    const value = this.#frames++ * 3000
    for (const media of rtc.medias) {
      const [codec] = media.codecs
      if (codec === undefined) continue
      if (this.#isPackets) {
        // the other one forwards
        if (media.kind !== 'audio') continue
        const fields = { pt: codec.pt, sequenceNumber: value / 3000, timestamp: value, marker: true }
        media.rtpWriter().write(fields, new Uint8Array(100))
      } else {
        const frame = new Uint8Array(media.kind === 'audio' ? 100 : 3000)
        media.writer(codec.pt).write({ value, clockRate: 90_000 }, frame, { keyframe: true })
      }
    }
  }

  /** Asks for what was sent again, and for some that was not; or for a keyframe. */
  #ask(): void {
    const input = this.#input
    const { ssrc, sequence } = this.#sent.at(-1 - input.below(32)) ?? { ssrc: 9, sequence: 9 }
    const numbers = [...input.bytes()].map((distance) => (sequence + distance - 8) & 0xffff)
    const kind = input.below(4)
    const entries = [{ ssrc, sequenceNumber: input.u8() }]
    if (kind === 0) this.#sendRtcp(writeRtcp([{ type: 'pli', senderSsrc: 1, mediaSsrc: ssrc }]))
    else if (kind === 1) this.#sendRtcp(writeRtcp([{ type: 'fir', senderSsrc: 1, entries }]))
    else if (numbers.length > 0) {
      this.#sendRtcp(writeRtcp([{ type: 'nack', senderSsrc: 1, mediaSsrc: ssrc, sequenceNumbers: numbers }]))
    }
  }

  /** Lets time pass, with SCTP both ways. */
  #run(duration: number): void {
    const { peer, pair } = this.#call
    this.#peerSctp.handleInput({ kind: 'timeout', now: pair.now })
    for (const { contents } of drain(this.#peerSctp).transmits) {
      this.#tag = readU32(contents, 4) || this.#tag
      peer.transport.sendData(contents)
    }
    pair.runFor(duration)
    for (const { event } of pair.b.events.slice(this.#seen)) {
      if (event.kind === 'data')
        this.#peerSctp.handleInput({ kind: 'receive', now: pair.now, contents: event.contents.slice() })
    }
    this.#seen = pair.b.events.length
    this.#look()
  }

  #look(): void {
    const { rtc, pair } = this.#call
    const { statistics } = rtc
    check(statistics.inbound.length <= MAX_RECEIVE_STREAMS, 'streams are bounded')
    check((statistics.sctp?.heldBytes ?? 0) <= 32 << 20, 'data that is held is bounded')
    for (const { event } of pair.a.events.slice(this.#events)) this.#lookAt(event)
    this.#events = pair.a.events.length
  }

  #lookAt(event: RtcEvent): void {
    if (event.type === 'rtpPacket') {
      void event.extensions
      void event.startsKeyframe
      this.#forwarder?.forward(event)
    } else if (event.type === 'mediaData') {
      check(event.data.length < 1 << 20, 'a frame is bounded')
    }
  }

  step(): void {
    const input = this.#input
    const { peer } = this.#call
    const op = input.below(16)
    if (op < 4) this.#sendRtp(this.#packet())
    else if (op === 4) this.#sendRtp(input.bytes())
    else if (op < 7) this.#sendRtcp(op === 5 ? input.bytes() : this.#report())
    else if (op === 7) peer.transport.sendData(roomy(input.bytes()))
    else if (op === 8) this.#sendChunks()
    else if (op === 9) this.#say()
    else if (op === 10) {
      const bytes = input.bytes()
      if (bytes.length > 0) unlessRefused(() => peer.transport.dtls?.send(bytes))
      peer.transport.touch()
    } else if (op === 11) this.#run(input.u8() * 10)
    else if (op === 12) this.#run(20)
    else if (op === 13) this.#sendGenuine()
    else if (op === 14) this.#write()
    else this.#ask()
    if ((op & 1) === 0) this.#run(5)
  }

  #packet(): Uint8Array {
    const input = this.#input
    const flags = input.u8()
    const ssrc = 1 + input.below(6)
    const known = this.#sequences.get(ssrc) ?? { sequence: 0xfffe, timestamp: 0 }
    known.sequence = (known.sequence + ((flags & 1) === 0 ? 1 : input.u8())) & 0xffff
    if ((flags & 2) !== 0) known.timestamp = (known.timestamp + ((flags & 4) === 0 ? 960 : input.u32())) >>> 0
    this.#sequences.set(ssrc, known)
    const ids = new ExtensionIds()
    ids.map(this.#offered.mid, 'mid')
    const named = writeHeaderExtensions({ mid: String(input.below(4)) }, ids)!.bytes
    const own = (flags & 8) === 0 ? new Uint8Array(0) : input.bytes()
    const elements = new Uint8Array(4 * Math.ceil((named.length + own.length) / 4))
    elements.set(named)
    elements.set(own, named.length)
    const payloadType = input.pick(PAYLOAD_TYPES)
    const payload = input.bytes()
    const out = new Uint8Array(40 + elements.length + payload.length)
    const at = writeRtpHeader(
      out,
      {
        marker: (flags & 16) !== 0,
        payloadType,
        sequenceNumber: known.sequence,
        timestamp: known.timestamp,
        ssrc,
      },
      (flags & 32) === 0 ? 0xbede : 0x1000,
      elements,
    )
    out.set(payload, at)
    if ((flags & 64) !== 0) out[0]! |= 0x20
    return out.slice(0, at + payload.length)
  }

  #sendRtp(plain: Uint8Array): void {
    if (plain.length >= 12 && readU32(plain, 8) === GENUINE) this.#disturbed = true
    const { transport } = this.#call.peer
    const srtp = transport.outbound!
    const buffer = new Uint8Array(plain.length + srtp.rtpOverhead)
    buffer.set(plain)
    const length = unlessRefused(() => srtp.protectRtp(buffer, plain.length))
    if (length !== undefined) transport.transmit(buffer.slice(0, length))
  }

  /** A report of any type about sources that there are. */
  #report(): Uint8Array {
    const input = this.#input
    const type = 200 + input.below(8)
    const count = input.below(32)
    const body = input.bytes()
    const words = 1 + Math.ceil(body.length / 4)
    const out = new Uint8Array(4 + 4 * words)
    out.set([0x80 | count, type, words >> 8, words])
    writeU32(out, 4, 1 + input.below(6))
    out.set(body, 8)
    const { outbound } = this.#call.rtc.statistics
    const about = outbound[input.u8() % Math.max(1, outbound.length)]
    if (about !== undefined && out.length >= 12) writeU32(out, 8, about.ssrc)
    return out
  }

  #sendRtcp(plain: Uint8Array): void {
    // a goodbye, or a report on the genuine source
    const { transport } = this.#call.peer
    const srtp = transport.outbound!
    for (let at = 0; at + 4 <= plain.length; at += 4)
      if (readU32(plain, at) === GENUINE) this.#disturbed = true
    const buffer = new Uint8Array(plain.length + srtp.rtcpOverhead)
    buffer.set(plain)
    const length = unlessRefused(() => srtp.protectRtcp(buffer, plain.length))
    if (length !== undefined) transport.transmit(buffer.slice(0, length))
  }

  /** Chunks of any content, with the association's tag and a right checksum. */
  #sendChunks(): void {
    const input = this.#input
    const tag = input.below(4) === 0 ? 0 : this.#tag
    const writer = new PacketWriter(4000, { sourcePort: 5000, destinationPort: 5000, verificationTag: tag })
    for (let count = 1 + input.below(3); count > 0; count--) {
      const value = input.bytes()
      const chunk = new Uint8Array(4 + 4 * Math.ceil(value.length / 4))
      chunk.set([input.u8(), input.u8(), 0, 4 + value.length])
      chunk[2] = (4 + value.length) >> 8
      chunk.set(value, 4)
      writer.append(chunk)
    }
    this.#call.peer.transport.sendData(roomy(writer.finish(true)))
  }

  /** A message on a stream, by an association that is right. */
  #say(): void {
    const input = this.#input
    const { pair } = this.#call
    const stream = input.below(8)
    const ppid = input.pick([50, 51, 53, 56, 57])
    if (input.below(8) === 0) unlessRefused(() => this.#peerSctp.resetStream(pair.now, stream))
    else unlessRefused(() => this.#peerSctp.send(pair.now, stream, ppid, input.bytes()))
  }

  finish(): void {
    const { rtc, pair } = this.#call
    for (let i = 0; i < 5; i++) {
      this.#sendGenuine()
      this.#run(20)
    }
    this.#run(400)
    check(rtc.connected && !rtc.closed, 'media that is wrong ends no call')
    if (this.#disturbed) return
    const type = this.#isPackets ? 'rtpPacket' : 'mediaData'
    const count = pair.a.events.filter(({ event }) => event.type === type && event.ssrc === GENUINE).length
    check(count === this.#genuine, `genuine media comes through: ${count} of ${this.#genuine}`)
  }
}

/** In a buffer that can be encrypted in its place. */
function roomy(bytes: Uint8Array): Uint8Array {
  const buffer = new Uint8Array(bytes.length + 128)
  buffer.set(bytes, 64)
  return buffer.subarray(64, 64 + bytes.length)
}

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  runProgram(input, new World(input), MAX_OPS)
}

export function seeds(): Uint8Array[] {
  const out: Uint8Array[] = []
  const codecs = [0, 8, 10, 12, 14, 16]
  for (const flags of [0, 1, 2, 8, 13]) {
    PACKETIZERS.forEach((packetize, i) => {
      const { payloads } = packetize(new SeededRandom(i), true)
      const parts: (number | Uint8Array)[] = [flags]
      payloads.forEach((payload, n) => {
        parts.push(
          0,
          (n === 0 ? 2 : 0) | (n === payloads.length - 1 ? 16 : 0),
          i,
          1,
          codecs[i]!,
          counted(payload),
        )
      })
      out.push(program(...parts, 12))
    })
    const distances = counted(program(8, 7, 6, 5, 20))
    out.push(
      program(
        flags | 4,
        14,
        12,
        14,
        12,
        15,
        1,
        distances,
        2,
        0,
        12,
        15,
        0,
        distances,
        0,
        0,
        14,
        15,
        0,
        distances,
        1,
        3,
      ),
    )
    const open = writeOpen({ label: 'x', protocol: '', priority: 256, ordered: true })
    out.push(
      program(flags | 8, 9, 1, 0, 1, counted(open), 12, 9, 1, 1, 1, counted(program('text')), 12, 9, 1, 0, 0),
    )
    for (let type = 0; type < 8; type++) {
      out.push(
        program(flags | 4, 6, type, type % 3, counted(program(0, 0, 0, 1, 0, 1, 0, 3, 0, 0, 0, 0)), 1, 0, 12),
      )
    }
    out.push(
      program(
        flags | 8,
        8,
        1,
        0,
        counted(new Uint8Array(20)),
        4,
        0,
        8,
        1,
        1,
        counted(new Uint8Array(12)),
        3,
        0,
        0,
        192,
        0,
      ),
    )
    out.push(
      program(
        flags,
        4,
        counted(program(0x90, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0xbe, 0xde, 0, 1, 0x40, 0x30, 0, 0, 1)),
        13,
        12,
        5,
        counted(program(0x81, 203, 0, 1, 0, 0, 0, 1)),
      ),
    )
  }
  return out
}
