import { type SeededRandom, serial16 } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import {
  Forwarder,
  parseRtpHeader,
  parseVp8Descriptor,
  parseVp9Descriptor,
  StreamTx,
  writeRtpHeader,
  type WrittenPacket,
} from '../src/index.ts'
import { forSeeds } from './seeds.ts'

/** A packet of one of the sources, and what is true of it. */
interface Sent {
  readonly source: number
  /** Counted on from the source's first: what goes out must keep this order. */
  readonly picture: number
  readonly index: number
  readonly tid: number
  readonly sync: boolean
  readonly key: boolean
  readonly bytes: Uint8Array
  readonly at: number
}

interface Out extends Sent {
  readonly sequenceNumber: number
  readonly timestamp: number
  readonly pictureId: number
  readonly tl0: number | undefined
}

type Payload = (
  picture: { id: number; tl0: number; first: boolean; last: boolean } & Pick<Sent, 'tid' | 'sync' | 'key'>,
) => Uint8Array

const vp8: Payload = ({ id, tl0, tid, sync, key, first }) =>
  Uint8Array.of(
    first ? 0x90 : 0x80,
    0xe0,
    0x80 | ((id >> 8) & 0x7f),
    id & 0xff,
    tl0 & 0xff,
    (tid << 6) | (sync ? 0x20 : 0),
    key ? 0 : 1,
  )

const vp9: Payload = ({ id, tl0, tid, sync, key, first, last }) =>
  Uint8Array.of(
    0xa0 | (key ? 0 : 0x40) | (first ? 0x08 : 0) | (last ? 0x04 : 0),
    0x80 | ((id >> 8) & 0x7f),
    id & 0xff,
    (tid << 5) | (sync ? 0x10 : 0),
    tl0 & 0xff,
    1,
  )

/** The pattern of three temporal layers, in which each picture above the base may depend on that base alone. */
const PATTERN = [0, 2, 1, 2] as const

function send(random: SeededRandom, source: number, payload: Payload): Sent[] {
  const packets: Sent[] = []
  let sequenceNumber = random.integer(0x1_0000)
  let id = random.integer(0x8000)
  let tl0 = random.integer(256)
  const timestamp = random.u32()
  for (let picture = 0; picture < 150; picture++) {
    const tid = PATTERN[picture % 4]!
    const key = tid === 0 && (picture === 0 || random.chance(0.1))
    if (tid === 0) tl0++
    const sync = (tid > 0 || payload === vp9) && random.chance(0.4)
    const count = 1 + random.integer(3)
    for (let i = 0; i < count; i++) {
      const content = payload({ id, tl0, tid, sync, key: key, first: i === 0, last: i === count - 1 })
      const bytes = new Uint8Array(12 + content.length)
      const marker = i === count - 1
      const time = (timestamp + 3000 * picture) >>> 0
      writeRtpHeader(bytes, { marker, payloadType: 96, sequenceNumber, timestamp: time, ssrc: source })
      bytes.set(content, 12)
      packets.push({ source, picture, index: packets.length, tid, sync, key, bytes, at: picture * 33 + i })
      sequenceNumber = serial16.add(sequenceNumber, 1)
    }
    id = (id + 1) & 0x7fff
  }
  return packets
}

function run(
  random: SeededRandom,
  codec: 'VP8' | 'VP9',
  packets: readonly Sent[],
): { out: Out[]; padding: number[] } {
  const stream = new StreamTx({ ssrc: 9, sequenceNumber: random.integer(0x1_0000) })
  const forwarder = new Forwarder({ stream, codec, clockRate: 90_000, timestamp: random.u32() })
  const byHeader = new Map<number, Sent>()
  for (const packet of packets) {
    const { sequenceNumber } = parseRtpHeader(packet.bytes)!
    byHeader.set(packet.source * 0x1_0000 + sequenceNumber, packet)
  }
  const out: Out[] = []
  const padding: number[] = []
  const take = (written: WrittenPacket, sent: Sent): void => {
    const { buffer, length, payloadStart } = written
    const header = parseRtpHeader(buffer, length)!
    if (header.paddingLength > 0) {
      padding.push(header.sequenceNumber)
      return
    }
    const payload = buffer.subarray(payloadStart, length)
    const descriptor = codec === 'VP8' ? parseVp8Descriptor(payload)! : parseVp9Descriptor(payload)!
    const { sequenceNumber, timestamp } = header
    out.push({
      ...sent,
      sequenceNumber,
      timestamp,
      pictureId: descriptor.pictureId!,
      tl0: descriptor.tl0PictureIndex,
    })
  }
  forwarder.select(1)
  for (const sent of packets) {
    if (random.chance(0.01)) forwarder.select(1 + random.integer(2))
    if (random.chance(0.02)) forwarder.maxTemporalLayer = random.integer(3)
    const header = parseRtpHeader(sent.bytes)!
    const written = forwarder.handlePacket(sent.at, sent.bytes, header, { pt: 96 }, 0)
    if (written !== undefined) take(written, sent)
    // those that are held are told by what they carry: none here changes its place in a picture
    for (let held = forwarder.pollHeld(sent.at, { pt: 96 }, 0); held !== undefined;) {
      padding.push(parseRtpHeader(held.buffer, held.length)!.sequenceNumber)
      held = forwarder.pollHeld(sent.at, { pt: 96 }, 0)
    }
  }
  return { out, padding }
}

/** Runs of packets of one source. */
function stretches(out: readonly Out[]): Out[][] {
  const runs: Out[][] = []
  for (const packet of out) {
    if (runs.at(-1)?.[0]?.source === packet.source) runs.at(-1)!.push(packet)
    else runs.push([packet])
  }
  return runs
}

/** Each picture above the base is one of a layer of which none was left out since the last sync, keyframe, or one like it that went out. */
function expectDecodable(out: readonly Out[]): void {
  for (const stretch of stretches(out)) {
    const pictures = stretch.filter((packet, i) => packet.picture !== stretch[i - 1]?.picture)
    const went = new Set(pictures.map(({ picture }) => picture))
    for (const { picture, tid, sync } of pictures) {
      if (tid === 0 || sync) continue
      // back to what it may depend on: every picture of its layer since a sync of it or a keyframe
      const from = pictures.findLast((of) => of.picture < picture && (of.key || (of.tid === tid && of.sync)))
      expect(from).toBeDefined()
      for (let of = from!.picture; of < picture; of++) {
        if (PATTERN[of % 4] === tid) expect(went.has(of), `picture ${picture} depends on ${of}`).toBe(true)
      }
    }
  }
}

/**
 * The same for VP9, whose switching up points (U) are a word on the pictures of the layers above: they depend on none of those layers from before
 * it (RFC 9628 section 4.2).
 */
function expectDecodableVp9(sent: readonly Sent[], out: readonly Out[]): void {
  for (const stretch of stretches(out)) {
    const went = new Set(stretch.map(({ picture }) => picture))
    const pictures = sent.filter(
      (packet, i) => packet.source === stretch[0]!.source && packet.picture !== sent[i - 1]?.picture,
    )
    for (const { picture, tid, key } of pictures) {
      if (!went.has(picture) || key) continue
      /** The lowest temporal layer of a switching up point between. */
      let floor = tid
      for (let back = picture - 1; ; back--) {
        const earlier = pictures[back]!
        if (earlier.tid <= floor) expect(went.has(back), `picture ${picture} depends on ${back}`).toBe(true)
        if (earlier.key) break
        if (earlier.sync && earlier.tid < tid) floor = Math.min(floor, earlier.tid)
      }
    }
  }
}

describe.each([
  ['VP8', vp8],
  ['VP9', vp9],
] as const)('forwarded %s with temporal layers, two sources', (codec, payload) => {
  const both = (random: SeededRandom): Sent[] =>
    [...send(random, 1, payload), ...send(random, 2, payload)].sort((a, b) => a.at - b.at)

  it('in order: no gaps in what is to have none, and layers that can be decoded', () => {
    forSeeds(40, (random) => {
      const packets = both(random)
      const { out, padding } = run(random, codec, packets)
      expect(padding).toEqual([])
      expect(out.length).toBeGreaterThan(50)
      out.forEach((packet, i) => {
        const before = out[i - 1]
        if (before === undefined) return
        expect(serial16.diff(packet.sequenceNumber, before.sequenceNumber)).toBe(1)
        expect((packet.timestamp - before.timestamp) | 0).toBeGreaterThanOrEqual(0)
        const newPicture = packet.source !== before.source || packet.picture !== before.picture
        const pictures = packet.source === before.source ? packet.picture - before.picture : 1
        // in VP9 a picture that is left out leaves its number out
        const ids = codec === 'VP8' ? (newPicture ? 1 : 0) : pictures
        expect((packet.pictureId - before.pictureId) & 0x7fff).toBe(ids)
        if (newPicture) {
          if (packet.source !== before.source) expect(packet.key).toBe(true)
          const base = packet.tid === 0 ? 1 : 0
          expect((packet.tl0! - before.tl0!) & 0xff).toBe(base)
        }
      })
      if (codec === 'VP8') expectDecodable(out)
      else
        expectDecodableVp9(
          packets.toSorted((a, b) => a.source - b.source || a.at - b.at),
          out,
        )
    })
  })

  it('loss, reorder, duplicate: pictures keep their order and one number each', () => {
    forSeeds(40, (random) => {
      const arrived: Sent[] = []
      for (const packet of both(random)) {
        // the first packets of keyframes come in time: what overtakes them is another test's
        if (packet.key) arrived.push(packet)
        else if (!random.chance(0.1)) {
          for (let copies = random.chance(0.1) ? 2 : 1; copies > 0; copies--) {
            arrived.push({ ...packet, at: packet.at + (random.chance(0.2) ? random.integer(150) : 0) })
          }
        }
      }
      const sorted = arrived.sort((a, b) => a.at - b.at)
      const { out, padding } = run(random, codec, sorted)
      const numbers = [...out.map(({ sequenceNumber }) => sequenceNumber), ...padding]
      // S5
      expect(new Set(numbers).size).toBe(numbers.length)
      for (const stretch of stretches(out)) {
        const first = stretch[0]!
        const idOf = new Map<number, number>()
        for (const packet of stretch) {
          expect(Math.sign(serial16.diff(packet.sequenceNumber, first.sequenceNumber))).toBe(
            Math.sign(packet.index - first.index),
          )
          const id = (packet.pictureId - first.pictureId) & 0x7fff
          expect(idOf.get(packet.picture) ?? id).toBe(id)
          idOf.set(packet.picture, id)
        }
        const inOrder = [...idOf].sort(([a], [b]) => a - b).map(([, id]) => id)
        expect(inOrder).toEqual([...new Set(inOrder)].sort((a, b) => a - b))
      }
      // a source that joins follows all of the one before
      const runs = stretches(out)
      for (let i = 1; i < runs.length; i++) {
        const join = runs[i]![0]!
        for (const { sequenceNumber, pictureId } of runs[i - 1]!) {
          expect(serial16.diff(join.sequenceNumber, sequenceNumber)).toBeGreaterThan(0)
          expect((join.pictureId - pictureId) & 0x7fff).toBeLessThan(0x4000)
        }
      }
    })
  })
})
