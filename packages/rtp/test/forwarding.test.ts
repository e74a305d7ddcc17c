import { SeededRandom, serial16, serial32 } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import {
  EXTENSION_URIS,
  ExtensionIds,
  Forwarder,
  isKeyframeStart,
  MAX_HELD_PACKETS,
  MAX_JOIN_DEVIATION,
  packetizerFor,
  parseRtpHeader,
  parseVp8Descriptor,
  parseVp9Descriptor,
  readHeaderExtensions,
  REWRITE_WINDOW,
  RtpRewriter,
  StreamRx,
  StreamTx,
  writeHeaderExtensions,
  writeRtpHeader,
  type WrittenPacket,
} from '../src/index.ts'
import { join } from './packetizers.ts'
import { forSeeds } from './seeds.ts'

const SOURCE_A = 0xaaaa
const SOURCE_B = 0xbbbb
const OPTIONS = { sequenceNumber: 65_530, timestamp: 0xffff_fff0, clockRate: 90_000 }

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const packet = (ssrc: number, sequenceNumber: number, timestamp: number) => ({
  ssrc,
  sequenceNumber: sequenceNumber & 0xffff,
  timestamp: timestamp >>> 0,
})

describe('rewritten numbers', () => {
  it('go on over a switch, wrap, and keep the order and the gaps of the source', () => {
    const rewriter = new RtpRewriter(OPTIONS)
    rewriter.switchTo(0, packet(SOURCE_A, 10, 1000))
    const out: (readonly [number, number] | undefined)[] = [[rewriter.sequenceNumber, rewriter.timestamp]]
    const take = (now: number, ssrc: number, sequenceNumber: number, timestamp: number): void => {
      const taken = rewriter.take(now, packet(ssrc, sequenceNumber, timestamp))
      out.push(taken ? [rewriter.sequenceNumber, rewriter.timestamp] : undefined)
    }
    take(10, SOURCE_A, 12, 1900)
    take(11, SOURCE_A, 11, 1000)
    take(12, SOURCE_A, 14, 1900)
    expect(out).toEqual([
      [65_530, 0xffff_fff0],
      [65_532, 884],
      [65_531, 0xffff_fff0],
      [65_534, 884],
    ])
    out.length = 0
    // 100 ms after the newest timestamp
    rewriter.switchTo(110, packet(SOURCE_B, 65_535, 7))
    out.push([rewriter.sequenceNumber, rewriter.timestamp])
    take(111, SOURCE_B, 0, 7)
    take(112, SOURCE_A, 13, 1900)
    take(112, SOURCE_B, 65_534, 7)
    take(143, SOURCE_B, 1, 3007)
    expect(out).toEqual([[65_535, 9884], [0, 9884], undefined, undefined, [1, 12_884]])
    expect(rewriter.nextSequenceNumber).toBe(2)
  })

  it('take a timestamp that the caller knows, if it is a later one', () => {
    const rewriter = new RtpRewriter({ ...OPTIONS, timestamp: 500 })
    rewriter.switchTo(0, packet(SOURCE_A, 1, 0), 9)
    expect(rewriter.timestamp).toBe(500)
    rewriter.switchTo(1000, packet(SOURCE_B, 1, 0), 700)
    expect(rewriter.timestamp).toBe(700)
    rewriter.switchTo(1000, packet(SOURCE_A, 1, 0), 600)
    expect(rewriter.timestamp).toBe(701)
  })

  it('wrap: go on after hours in which nothing was forwarded', () => {
    for (const hours of [1, 6, 7, 13, 14, 20, 27]) {
      const passed = hours * 3_600_000
      const due = (500 + 90 * passed) >>> 0
      for (const asked of [undefined, due + 9]) {
        const rewriter = new RtpRewriter({ ...OPTIONS, timestamp: 500 })
        rewriter.switchTo(0, packet(SOURCE_A, 1, 0))
        rewriter.switchTo(passed, packet(SOURCE_B, 1, 0), asked)
        expect(rewriter.timestamp, `${hours} hours, asked ${asked}`).toBe(asked ?? due)
        // one that joins with an earlier picture comes after it all the same
        const last = rewriter.timestamp
        rewriter.switchTo(passed, packet(SOURCE_A, 1, 0), last - 3000)
        expect(rewriter.timestamp).toBe(last + 1)
      }
      // of one source, that was silent
      const rewriter = new RtpRewriter({ ...OPTIONS, timestamp: 500 })
      rewriter.switchTo(0, packet(SOURCE_A, 1, 0))
      expect(rewriter.take(passed, packet(SOURCE_A, 2, 90 * passed))).toBe(true)
      expect([rewriter.newestTimestamp, rewriter.newestTimestampAt], `${hours} hours`).toEqual([due, passed])
      expect(rewriter.take(passed, packet(SOURCE_A, 3, 90 * passed - 10))).toBe(true)
      expect(rewriter.newestTimestamp).toBe(due)
    }
  })

  it('close up over what is dropped, and leave an open place where that comes too late', () => {
    const rewriter = new RtpRewriter({ ...OPTIONS, sequenceNumber: 100 })
    rewriter.switchTo(0, packet(SOURCE_A, 1, 0))
    expect(rewriter.drop(0, packet(SOURCE_A, 2, 0))).toBe(false)
    expect(rewriter.take(0, packet(SOURCE_A, 3, 0))).toBe(true)
    expect(rewriter.sequenceNumber).toBe(101)
    // 4 is missing, its place is kept
    expect(rewriter.take(0, packet(SOURCE_A, 5, 0))).toBe(true)
    expect(rewriter.sequenceNumber).toBe(103)
    expect(rewriter.drop(0, packet(SOURCE_A, 4, 0))).toBe(true)
    expect(rewriter.sequenceNumber).toBe(102)
    expect(rewriter.drop(0, packet(SOURCE_A, 4, 0))).toBe(false)
    expect(rewriter.take(0, packet(SOURCE_A, 2, 0))).toBe(false)
    expect(rewriter.drop(0, packet(SOURCE_B, 9, 0))).toBe(false)
  })

  it('leave a source that has restarted: it joins anew', () => {
    const rewriter = new RtpRewriter({ ...OPTIONS, sequenceNumber: 100 })
    rewriter.switchTo(0, packet(SOURCE_A, 1, 0))
    expect(rewriter.locate(packet(SOURCE_A, 20_000, 0))).toBe('refused')
    expect(rewriter.take(0, packet(SOURCE_A, 2, 0))).toBe(true)
    expect(rewriter.take(0, packet(SOURCE_A, 20_001, 0))).toBe(false)
    expect(rewriter.source).toBe(SOURCE_A)
    expect(rewriter.drop(0, packet(SOURCE_A, 20_002, 0))).toBe(false)
    expect(rewriter.source).toBeUndefined()
    rewriter.switchTo(0, packet(SOURCE_A, 20_003, 0))
    expect(rewriter.sequenceNumber).toBe(102)
  })

  it('S5: are never given out twice, whatever comes in whatever order', () => {
    forSeeds(30, (random) => {
      const rewriter = new RtpRewriter({ ...OPTIONS, sequenceNumber: random.integer(0x1_0000) })
      /** Since the numbers wrap: the last ones, by far more than the window. */
      const recent = new Map<number, number>()
      let newest = rewriter.nextSequenceNumber
      let sequence = random.integer(0x1_0000)
      rewriter.switchTo(0, packet(SOURCE_A, sequence, 0))
      for (let i = 0; i < 3000; i++) {
        const roll = random.float()
        const jitter = random.chance(0.3) ? random.integer(40) - 30 : 1
        sequence = random.chance(0.001) ? random.integer(0x1_0000) : serial16.add(sequence, jitter)
        const next = packet(SOURCE_A, sequence, i * 100)
        let given: boolean
        if (roll < 0.01) {
          rewriter.switchTo(i, next)
          given = true
        } else given = roll < 0.3 ? rewriter.drop(i, next) : rewriter.take(i, next)
        if (!given) {
          if (rewriter.source === undefined) rewriter.switchTo(i, next)
          else continue
        }
        const out = rewriter.sequenceNumber
        expect(i - (recent.get(out) ?? Number.NEGATIVE_INFINITY)).toBeGreaterThan(2 * REWRITE_WINDOW)
        recent.set(out, i)
        if (serial16.diff(out, newest) > 0) newest = out
        expect(serial16.diff(newest, out)).toBeLessThan(REWRITE_WINDOW + 3000)
      }
    })
  })
})

interface Source {
  readonly ssrc: number
  sequenceNumber: number
  timestamp: number
}

const datagram = (source: Source, payload: Uint8Array, marker: boolean): Uint8Array => {
  const bytes = new Uint8Array(12 + payload.length)
  const { ssrc, sequenceNumber, timestamp } = source
  writeRtpHeader(bytes, { marker, payloadType: 96, sequenceNumber, timestamp: timestamp >>> 0, ssrc })
  bytes.set(payload, 12)
  source.sequenceNumber = (sequenceNumber + 1) & 0xffff
  return bytes
}

const forward = (forwarder: Forwarder, now: number, bytes: Uint8Array): WrittenPacket | undefined =>
  forwarder.handlePacket(now, bytes, parseRtpHeader(bytes)!, { pt: 100 }, 16)

const payloadOf = ({ buffer, length, payloadStart }: WrittenPacket): Uint8Array =>
  buffer.subarray(payloadStart, length)

const newForwarder = (codec: string): Forwarder =>
  new Forwarder({
    stream: new StreamTx({ ssrc: 1, sequenceNumber: 65_000 }),
    codec,
    clockRate: 90_000,
    timestamp: 5,
  })

/** The content of VP8 frames starts with the P bit. */
const vp8Payload = (picture: {
  id: number
  long?: boolean
  tl0?: number
  tid?: number
  sync?: boolean
  key?: boolean
  keyIndex?: number
  start?: boolean
}): Uint8Array =>
  join(
    [0x80 | (picture.start === false ? 0 : 0x10)],
    [
      0x80 |
        (picture.tl0 === undefined ? 0 : 0x40) |
        (picture.tid === undefined ? 0 : 0x20) |
        (picture.keyIndex === undefined ? 0 : 0x10),
    ],
    picture.long === false ? [picture.id & 0x7f] : [0x80 | ((picture.id >> 8) & 0x7f), picture.id & 0xff],
    picture.tl0 === undefined ? [] : [picture.tl0 & 0xff],
    picture.tid === undefined && picture.keyIndex === undefined
      ? []
      : [((picture.tid ?? 0) << 6) | (picture.sync === true ? 0x20 : 0) | (picture.keyIndex ?? 0)],
    [picture.key === true ? 0 : 1, 9],
  )

describe('VP8 descriptors', () => {
  const run = (
    forwarder: Forwarder,
    source: Source,
    pictures: readonly Parameters<typeof vp8Payload>[0][],
  ): string[] =>
    pictures.map((picture) => {
      const bytes = datagram(source, vp8Payload(picture), true)
      source.timestamp += 3000
      const out = forward(forwarder, 0, bytes)
      if (out === undefined) return '-'
      const header = parseRtpHeader(out.buffer, out.length)!
      if (header.paddingLength > 0) return `${header.sequenceNumber} padding`
      const { pictureId, tl0PictureIndex, temporalLayer, keyIndex } = parseVp8Descriptor(payloadOf(out))!
      return [header.sequenceNumber, pictureId, tl0PictureIndex, temporalLayer, keyIndex].join(' ').trim()
    })

  it('go on over switches: picture id, TL0PICIDX and KEYIDX, each over its wrap', () => {
    const forwarder = newForwarder('VP8')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    const b: Source = { ssrc: SOURCE_B, sequenceNumber: 65_535, timestamp: 9 }
    forwarder.select(SOURCE_A)
    expect(forwarder.needsKeyframe).toBe(true)
    expect(
      run(forwarder, a, [
        { id: 32_764, tl0: 253, tid: 0, keyIndex: 30 },
        { id: 32_765, tl0: 254, tid: 0, keyIndex: 31, key: true },
        { id: 32_766, tl0: 255, tid: 0, keyIndex: 31 },
      ]),
    ).toEqual(['-', '65000 32765 254 0 31', '65001 32766 255 0 31'])
    expect(forwarder.needsKeyframe).toBe(false)
    forwarder.select(SOURCE_B)
    expect(forwarder.needsKeyframe).toBe(true)
    // A goes on until B has a keyframe
    expect(run(forwarder, b, [{ id: 5, tl0: 9, tid: 0, keyIndex: 2 }])).toEqual(['-'])
    expect(run(forwarder, a, [{ id: 32_767, tl0: 0, tid: 0, keyIndex: 31 }])).toEqual(['65002 32767 0 0 31'])
    expect(
      run(forwarder, b, [
        { id: 6, tl0: 10, tid: 0, keyIndex: 3, key: true },
        { id: 7, tl0: 11, tid: 0, keyIndex: 3 },
      ]),
    ).toEqual(['65003 0 1 0 0', '65004 1 2 0 0'])
    expect(run(forwarder, a, [{ id: 0, tl0: 1, tid: 0, keyIndex: 31 }])).toEqual(['-'])
    expect(forwarder.statistics).toMatchObject({ switches: 2, packetsForwarded: 5, packetsOfOtherSources: 3 })
  })

  it('a source with picture ids of seven bits follows one of fifteen', () => {
    const forwarder = newForwarder('VP8')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    const b: Source = { ssrc: SOURCE_B, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    expect(run(forwarder, a, [{ id: 300, key: true }])).toEqual(['65000 300'])
    forwarder.select(SOURCE_B)
    const short = [126, 127, 0, 1].map((id) => ({ id, long: false, key: id === 126 }))
    expect(run(forwarder, b, short).map((line) => line.trim())).toEqual(
      [301, 302, 303, 304].map((id, i) => `${65_001 + i} ${id & 0x7f}`),
    )
  })

  it('temporal layers are left out and come back where they may', () => {
    const forwarder = newForwarder('VP8')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    forwarder.maxTemporalLayer = 0
    expect(
      run(forwarder, a, [
        { id: 10, tl0: 1, tid: 0, key: true },
        { id: 11, tl0: 1, tid: 2, sync: true },
        { id: 12, tl0: 1, tid: 1, sync: true },
        { id: 13, tl0: 2, tid: 0 },
      ]),
    ).toEqual(['65000 10 1 0', '-', '-', '65001 11 2 0'])
    forwarder.maxTemporalLayer = 2
    expect(
      run(forwarder, a, [
        // depends on the layer 1 that was left out
        { id: 14, tl0: 2, tid: 1 },
        { id: 15, tl0: 3, tid: 0 },
        { id: 16, tl0: 3, tid: 1, sync: true },
        { id: 17, tl0: 3, tid: 2 },
        { id: 18, tl0: 3, tid: 2, sync: true },
        { id: 19, tl0: 4, tid: 0 },
      ]),
    ).toEqual(['-', '65002 12 3 0', '65003 13 3 1', '-', '65004 14 3 2', '65005 15 4 0'])
  })

  it('a late picture is of the layers that went out when it was sent', () => {
    const forwarder = newForwarder('VP8')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    forwarder.maxTemporalLayer = 0
    run(forwarder, a, [
      { id: 10, tl0: 1, tid: 0, key: true },
      { id: 11, tl0: 1, tid: 1 },
    ])
    const late = [1, 0].map((tid, i) => datagram(a, vp8Payload({ id: 12 + i, tl0: 2, tid }), true))
    forwarder.maxTemporalLayer = 1
    expect(run(forwarder, a, [{ id: 14, tl0: 3, tid: 0, key: true }])).toEqual(['65003 13 3 0'])
    const [unwanted, wanted] = late.map((bytes) => forward(forwarder, 0, bytes)!)
    expect(parseRtpHeader(unwanted!.buffer, unwanted!.length)).toMatchObject({ payloadLength: 0 })
    expect(parseVp8Descriptor(payloadOf(wanted!))).toMatchObject({ pictureId: 12 })
  })

  it('a late packet of a layer that is left out is replaced by padding; one of a picture that went out goes out', () => {
    const forwarder = newForwarder('VP8')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    run(forwarder, a, [{ id: 10, tl0: 1, tid: 0, key: true }])
    const late = [
      datagram(a, vp8Payload({ id: 11, tl0: 1, tid: 1 }), true),
      datagram(a, vp8Payload({ id: 12, tl0: 2, tid: 0, start: false }), true),
    ]
    forwarder.maxTemporalLayer = 0
    expect(run(forwarder, a, [{ id: 12, tl0: 2, tid: 0, start: false }])).toEqual(['65003 12 2 0'])
    const [padding, second] = late.map((bytes) => forward(forwarder, 0, bytes)!)
    expect(parseRtpHeader(padding!.buffer, padding!.length)).toMatchObject({
      sequenceNumber: 65_001,
      paddingLength: 4,
      payloadLength: 0,
    })
    expect(parseVp8Descriptor(payloadOf(second!))).toMatchObject({ pictureId: 12 })
    expect(forward(forwarder, 0, late[1]!)).toBeUndefined()
    expect(forwarder.statistics).toMatchObject({ placesFilled: 1, packetsRefused: 1 })
  })

  it('a source that numbers its pictures anew goes on without a gap', () => {
    const forwarder = newForwarder('VP8')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    expect(run(forwarder, a, [{ id: 1000, key: true }, { id: 1001 }, { id: 20, key: true }])).toEqual([
      '65000 1000',
      '65001 1001',
      '65002 1002',
    ])
  })

  it('a source that numbers its pictures anew a little below is not taken for pictures that are known', () => {
    const forwarder = newForwarder('VP8')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    forwarder.maxTemporalLayer = 0
    expect(
      run(forwarder, a, [
        { id: 1000, tl0: 4, tid: 0, key: true },
        { id: 1001, tl0: 4, tid: 1 },
        { id: 1002, tl0: 5, tid: 0 },
        { id: 1001, tl0: 80, tid: 0, key: true },
        { id: 1002, tl0: 81, tid: 0 },
      ]),
    ).toEqual(['65000 1000 4 0', '-', '65001 1001 5 0', '65002 1002 6 0', '65003 1003 7 0'])
  })

  it('numbers that wrap while nothing comes go on from where they have come to', () => {
    const forwarder = newForwarder('VP8')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    const b: Source = { ssrc: SOURCE_B, sequenceNumber: 7, timestamp: 0 }
    /** Ids of seven bits: which picture it is cannot be seen in them alone. */
    const short = (picture: number, more: { tid?: number; key?: boolean } = {}) => ({
      id: picture & 0x7f,
      long: false,
      tl0: picture & 0xff,
      tid: 0,
      keyIndex: picture & 0x1f,
      ...more,
    })
    forwarder.select(SOURCE_A)
    forwarder.maxTemporalLayer = 0
    expect(run(forwarder, a, [short(10, { key: true }), short(11, { tid: 1 }), short(12)])).toEqual([
      '65000 10 10 0 10',
      '-',
      '65001 11 12 0 12',
    ])
    // so many pictures of one packet each are lost that the ids seem to be those of before
    a.sequenceNumber += 126
    const lost = serial16.add(65_002, 126)
    expect(run(forwarder, a, [short(139), short(140)])).toEqual([
      `${lost} 10 139 0 11`,
      `${lost + 1} 11 140 0 12`,
    ])
    a.sequenceNumber += 160
    expect(run(forwarder, a, [short(301)])).toEqual([`${lost + 162} 44 45 0 13`])
    forwarder.select(SOURCE_B)
    expect(run(forwarder, b, [{ ...short(0, { key: true }), tl0: 200, keyIndex: 3 }])).toEqual([
      `${lost + 163} 45 46 0 14`,
    ])
  })

  it('layers are 0 to 7', () => {
    const forwarder = newForwarder('VP8')
    expect(forwarder.selected).toBeUndefined()
    const invalid = expect.objectContaining({ code: 'invalid-option' })
    for (const layer of [-1, 8, 0.5, Number.NaN]) {
      expect(() => (forwarder.maxTemporalLayer = layer)).toThrow(invalid)
      expect(() => (forwarder.maxSpatialLayer = layer)).toThrow(invalid)
    }
    expect([forwarder.maxTemporalLayer, forwarder.maxSpatialLayer]).toEqual([7, 7])
  })

  it('a paused source joins at a keyframe', () => {
    const forwarder = newForwarder('VP8')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    run(forwarder, a, [{ id: 10, key: true }])
    forwarder.select(undefined)
    expect(forwarder.needsKeyframe).toBe(false)
    expect(run(forwarder, a, [{ id: 11 }])).toEqual(['-'])
    forwarder.select(SOURCE_A)
    expect(run(forwarder, a, [{ id: 12 }, { id: 13, key: true }])).toEqual(['-', '65001 11'])
  })
})

describe('VP9 descriptors', () => {
  const vp9Payload = (
    picture: number,
    sid: number,
    tid: number,
    more: { inter?: boolean; up?: boolean; tl0?: number } = {},
  ): Uint8Array =>
    Uint8Array.of(
      0xac | (more.inter === false ? 0 : 0x40),
      0x80 | ((picture >> 8) & 0x7f),
      picture & 0xff,
      (tid << 5) | (more.up === true ? 0x10 : 0) | (sid << 1),
      more.tl0 ?? 0,
      1,
    )
  const run = (forwarder: Forwarder, source: Source, payloads: readonly Uint8Array[]): string[] =>
    payloads.map((payload, i) => {
      const out = forward(forwarder, 0, datagram(source, payload, i === payloads.length - 1))
      if (out === undefined) return '-'
      const { marker, sequenceNumber } = parseRtpHeader(out.buffer, out.length)!
      const { pictureId, tl0PictureIndex, spatialLayer, temporalLayer } = parseVp9Descriptor(payloadOf(out))!
      return `${sequenceNumber} ${pictureId} ${tl0PictureIndex} S${spatialLayer} T${temporalLayer}${marker ? ' M' : ''}`
    })

  it('go on over switches, and spatial layers are left out under a marker that moves', () => {
    const forwarder = newForwarder('VP9')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    const b: Source = { ssrc: SOURCE_B, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    forwarder.maxSpatialLayer = 1
    const key = { inter: false }
    const first = [
      vp9Payload(32_767, 0, 0, key),
      vp9Payload(32_767, 1, 0, key),
      vp9Payload(32_767, 2, 0, key),
    ]
    expect(run(forwarder, a, first)).toEqual(['65000 32767 0 S0 T0', '65001 32767 0 S1 T0 M', '-'])
    forwarder.maxSpatialLayer = 2
    const inter = [vp9Payload(0, 0, 0), vp9Payload(0, 1, 0), vp9Payload(0, 2, 0)]
    // the highest layer refers to what was left out
    expect(run(forwarder, a, inter)).toEqual(['65002 0 0 S0 T0', '65003 0 0 S1 T0 M', '-'])
    const without = [vp9Payload(1, 0, 0), vp9Payload(1, 1, 0)]
    expect(run(forwarder, a, without)).toEqual(['65004 1 0 S0 T0', '65005 1 0 S1 T0 M'])
    // and comes back where it starts again, and refers to the layer below alone
    const raised = [vp9Payload(2, 0, 0), vp9Payload(2, 1, 0), vp9Payload(2, 2, 0, key)]
    expect(run(forwarder, a, raised)).toEqual(['65006 2 0 S0 T0', '65007 2 0 S1 T0', '65008 2 0 S2 T0 M'])
    forwarder.select(SOURCE_B)
    forwarder.maxSpatialLayer = 0
    expect(run(forwarder, b, [vp9Payload(77, 0, 0, { inter: false, tl0: 200 })])).toEqual([
      '65009 3 1 S0 T0 M',
    ])
  })

  it('spatial layers start in one picture, under one marker', () => {
    const forwarder = newForwarder('VP9')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    forwarder.maxSpatialLayer = 0
    const key = { inter: false }
    expect(run(forwarder, a, [vp9Payload(1, 0, 0, key)])).toEqual(['65000 1 0 S0 T0 M'])
    forwarder.maxSpatialLayer = 2
    const start = [vp9Payload(2, 0, 0), vp9Payload(2, 1, 0, key), vp9Payload(2, 2, 0, key)]
    expect(run(forwarder, a, start)).toEqual(['65001 2 0 S0 T0', '65002 2 0 S1 T0', '65003 2 0 S2 T0 M'])
  })

  it('a spatial layer stays out of a picture that has had its marker', () => {
    const forwarder = newForwarder('VP9')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    forwarder.maxSpatialLayer = 0
    const key = { inter: false }
    const picture = (id: number, upper: object): string[] =>
      run(forwarder, a, [vp9Payload(id, 0, 0, id === 1 ? key : {}), vp9Payload(id, 1, 0, upper)])
    expect(picture(1, key)).toEqual(['65000 1 0 S0 T0 M', '-'])
    expect(picture(2, {})).toEqual(['65001 2 0 S0 T0 M', '-'])
    forwarder.maxSpatialLayer = 1
    // it went on until here: that it refers to no earlier picture now comes after the end of the layer below
    expect(picture(3, key)).toEqual(['65002 3 0 S0 T0 M', '-'])
    expect(forwarder.needsKeyframe).toBe(true)
  })

  it('no picture has two markers, and none is followed by more of it, however layers come and go', () => {
    forSeeds(50, (random) => {
      const forwarder = newForwarder('VP9')
      const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
      forwarder.select(SOURCE_A)
      let [unmarked, layers] = [0, 3]
      for (let id = 0; id < 300; id++) {
        if (random.float() < 0.1) forwarder.maxSpatialLayer = random.integer(3)
        if (random.float() < 0.1) layers = 1 + random.integer(3)
        const isKey = id === 0 || random.float() < 0.02
        const packets = Array.from({ length: layers }, (_, sid) =>
          vp9Payload(id, sid, 0, { inter: !isKey && (sid === 0 || random.float() < 0.7) }),
        )
        const out = run(forwarder, a, packets).filter((text) => text !== '-')
        expect(out.slice(0, -1).every((text) => !text.endsWith('M'))).toBe(true)
        if (!out.at(-1)!.endsWith('M')) unmarked++
      }
      // one whose next layer did not start after all
      expect(unmarked).toBeLessThan(20)
    })
  })

  it('spatial layers that refer to what was left out wait for a keyframe, which is asked for', () => {
    const forwarder = newForwarder('VP9')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    forwarder.maxSpatialLayer = 0
    run(forwarder, a, [vp9Payload(5, 0, 0, { inter: false })])
    const picture = (id: number, inter: boolean): string[] =>
      run(forwarder, a, [vp9Payload(id, 0, 0, { inter }), vp9Payload(id, 1, 0, { inter })])
    picture(6, true)
    expect(forwarder.needsKeyframe).toBe(false)
    forwarder.maxSpatialLayer = 1
    expect(forwarder.needsKeyframe).toBe(false)
    expect(picture(7, true)[1]).toBe('-')
    expect(forwarder.needsKeyframe).toBe(true)
    forwarder.maxSpatialLayer = 0
    expect(forwarder.needsKeyframe).toBe(false)
    forwarder.maxSpatialLayer = 1
    expect(picture(8, false)[1]).not.toBe('-')
    expect(forwarder.needsKeyframe).toBe(false)
  })

  it('temporal layers: pictures that are left out leave a gap in the ids', () => {
    const forwarder = newForwarder('VP9')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    forwarder.maxTemporalLayer = 0
    const one = (payload: Uint8Array): string[] => run(forwarder, a, [payload])
    expect(one(vp9Payload(5, 0, 0, { inter: false }))).toEqual(['65000 5 0 S0 T0 M'])
    expect(one(vp9Payload(6, 0, 1, { up: true }))).toEqual(['-'])
    expect(one(vp9Payload(7, 0, 0))).toEqual(['65001 7 0 S0 T0 M'])
    forwarder.maxTemporalLayer = 1
    expect(one(vp9Payload(8, 0, 1))).toEqual(['-'])
    expect(one(vp9Payload(9, 0, 0, { up: true }))).toEqual(['65002 9 0 S0 T0 M'])
    expect(one(vp9Payload(10, 0, 1))).toEqual(['65003 10 0 S0 T1 M'])
  })

  it('wrap: picture ids of seven bits go on after a switch from where they have come to', () => {
    const forwarder = newForwarder('VP9')
    const short = (picture: number, inter: boolean): Uint8Array =>
      Uint8Array.of(inter ? 0xcc : 0x8c, picture & 0x7f, 1)
    const pictureIds = (source: Source, payloads: readonly Uint8Array[]): (number | undefined)[] =>
      payloads.map((payload) => {
        const out = forward(forwarder, 0, datagram(source, payload, true))!
        return parseVp9Descriptor(payloadOf(out))!.pictureId
      })
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    const b: Source = { ssrc: SOURCE_B, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    const pictures = Array.from({ length: 6 }, (_, i) => short(125 + i, i > 0))
    expect(pictureIds(a, pictures)).toEqual([125, 126, 127, 0, 1, 2])
    forwarder.select(SOURCE_B)
    expect(pictureIds(b, [short(60, false), short(61, true)])).toEqual([3, 4])
  })
})

describe('a dependency descriptor', () => {
  it('goes out with what is told by it, and not with VP8 that has picture ids, nor with VP9', () => {
    const given = (codec: string, payload: Uint8Array): boolean => {
      const forwarder = newForwarder(codec)
      forwarder.select(SOURCE_A)
      const source: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
      const bytes = datagram(source, payload, true)
      let isGiven = false
      const descriptor = Uint8Array.of(0xc0, 0, 1)
      const extensionsWith = (): undefined => {
        isGiven = true
      }
      const fields = { pt: 100, dependency: { descriptor, extensionsWith } }
      expect(forwarder.handlePacket(0, bytes, parseRtpHeader(bytes)!, fields, 16)).toBeDefined()
      return isGiven
    }
    expect(given('VP8', vp8Payload({ id: 1, key: true }))).toBe(false)
    expect(given('VP8', Uint8Array.of(0x10, 0, 9))).toBe(true)
    expect(given('VP9', Uint8Array.of(0x8c, 5, 1))).toBe(false)
    expect(given('H264', Uint8Array.of(0x67, 1, 2))).toBe(true)
  })

  it('has frame numbers that go on where a forwarder of another codec takes over, and timestamps too', () => {
    const stream = new StreamTx({ ssrc: 1, sequenceNumber: 10 })
    const source: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    const out: (readonly [frame: number, timestamp: number])[] = []
    let after: Forwarder | undefined
    const codecs = ['H264', 'AV1', 'VP8', 'AV1']
    for (const [i, codec] of codecs.entries()) {
      const forwarder = new Forwarder({ stream, codec, clockRate: 90_000, timestamp: 5, after })
      forwarder.select(SOURCE_A)
      const payload = codec === 'VP8' ? [0x10, 0, 9] : codec === 'AV1' ? [0x18, 0x08, 1] : [0x67, 1, 2]
      for (let k = 0; k < 2; k++) {
        let frame = -1
        const extensionsWith = (descriptor: Uint8Array): undefined => {
          frame = (descriptor[1]! << 8) | descriptor[2]!
        }
        const dependency = { descriptor: Uint8Array.of(0xc0, 0, 100 - 10 * i + k), extensionsWith }
        const bytes = datagram(source, Uint8Array.from(payload), true)
        // captured a little later than it came, as far as the clocks tell
        const now = 1000 * i + 100 * k
        const fields = { pt: 100, dependency }
        const written = forwarder.handlePacket(now, bytes, parseRtpHeader(bytes)!, fields, 0, now + 5)!
        source.timestamp += 9000
        out.push([frame, parseRtpHeader(written.buffer)!.timestamp])
      }
      after = forwarder
    }
    expect(out.map(([frame]) => frame)).toEqual([100, 101, 102, 103, 104, 105, 106, 107])
    const times = [0, 100, 1000, 1100, 2000, 2100, 3000, 3100]
    expect(out.map(([, timestamp]) => (timestamp - 5) / 90)).toEqual(times)
  })

  it('stays as it came, though a view of a Buffer, for those to whom it is forwarded next', () => {
    const forwarder = newForwarder('H264')
    forwarder.select(SOURCE_A)
    const source: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    // the second source starts anywhere, and goes on from the first
    for (const number of [5, 40_000]) {
      const bytes = datagram(source, Uint8Array.of(0x67, 1, 2), true)
      const descriptor = Buffer.from([0xc0, number >> 8, number & 0xff])
      const before = [...descriptor]
      const dependency = { descriptor, extensionsWith: () => undefined }
      forwarder.handlePacket(0, bytes, parseRtpHeader(bytes)!, { pt: 100, dependency }, 16)
      expect([...descriptor]).toEqual(before)
    }
  })

  it('that is too short to be one is not forwarded', () => {
    const forwarder = newForwarder('H264')
    forwarder.select(SOURCE_A)
    const bytes = datagram(
      { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 },
      Uint8Array.of(0x67, 1, 2),
      true,
    )
    const dependency = { descriptor: Uint8Array.of(0xc0, 1), extensionsWith: () => undefined }
    const header = parseRtpHeader(bytes)!
    expect(forwarder.handlePacket(0, bytes, header, { pt: 100, dependency }, 16)).toBeUndefined()
    expect(forwarder.statistics.packetsLeftOut).toBe(1)
  })

  it('of a source that starts its frame numbers over goes on from the last', () => {
    const forwarder = newForwarder('H264')
    forwarder.select(SOURCE_A)
    const source: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    const numbers = [5, 6, 7, 40_000, 40_001, 40_000, 40_001].map((number) => {
      const bytes = datagram(source, Uint8Array.of(0x67, 1, 2), true)
      let out = -1
      const extensionsWith = (descriptor: Uint8Array): undefined => {
        out = (descriptor[1]! << 8) | descriptor[2]!
      }
      const dependency = { descriptor: Uint8Array.of(0xc0, number >> 8, number & 0xff), extensionsWith }
      forwarder.handlePacket(0, bytes, parseRtpHeader(bytes)!, { pt: 100, dependency }, 16)
      return out
    })
    // also where they are a little lower than before
    expect(numbers).toEqual([5, 6, 7, 8, 9, 10, 11])
  })
})

describe('forwarded frames', () => {
  const CODECS = ['VP8', 'VP9', 'opus'] as const

  it.each(CODECS)('%s: over loss-free switches each frame comes out of the receiver, in a row', (codec) => {
    forSeeds(20, (random) => {
      const forwarder = newForwarder(codec)
      const receiver = new StreamRx({ ssrc: 1 })
      const info = { pt: 100, name: codec, clockRate: 90_000, kind: 'video' } as const
      const sources = [SOURCE_A, SOURCE_B].map((ssrc) => ({
        ssrc,
        sequenceNumber: random.integer(0x1_0000),
        timestamp: random.u32(),
        packetizer: packetizerFor(codec, new Map(), random.integer(0x1_0000))!,
      }))
      const sent: Uint8Array[] = []
      const received: Uint8Array[] = []
      forwarder.select(SOURCE_A)
      for (let f = 0; f < 60; f++) {
        const now = f * 33
        if (random.chance(0.1)) forwarder.select(random.chance(0.5) ? SOURCE_A : SOURCE_B)
        for (const source of sources) {
          const keyframe = codec === 'opus' || f === 0 || random.chance(0.1)
          const frame = frameOf(random, codec, keyframe)
          const before = forwarder.statistics.packetsForwarded
          const payloads = source.packetizer.packetize(frame, 300, keyframe)!
          const packets = payloads.map(({ pieces }, i) =>
            datagram(source, join(...pieces), i === payloads.length - 1),
          )
          // the first one alone says that it is a keyframe, and may come last
          if (random.chance(0.3)) packets.reverse()
          for (const bytes of packets) {
            let out = forward(forwarder, now, bytes)
            while (out !== undefined) {
              const header = parseRtpHeader(out.buffer, out.length)!
              receiver.handlePacket(now, header, payloadOf(out).slice(), info)
              out = forwarder.pollHeld(now, { pt: 100 }, 16)
            }
          }
          source.timestamp += 3000
          if (forwarder.statistics.packetsForwarded > before) sent.push(frame)
        }
        for (let out = receiver.pollFrame(); out !== undefined; out = receiver.pollFrame()) {
          received.push(out.data)
          expect(out.contiguous).toBe(true)
        }
      }
      // of whole buffers at once: a matcher looks at each byte
      expect(received.map(hex)).toEqual(sent.map(hex))
      expect(sent.length).toBeGreaterThan(40)
      expect(receiver.statistics.packetsLost).toBe(0)
    })
  })

  const frameOf = (random: SeededRandom, codec: string, keyframe: boolean): Uint8Array => {
    const frame = new Uint8Array(codec === 'opus' ? 60 : 100 + random.integer(1000))
    const { fill } = random
    fill(frame)
    if (codec === 'VP8') frame[0] = keyframe ? 0 : 1
    if (codec === 'VP9') frame[0] = keyframe ? 0x80 : 0x84
    return frame
  }

  it('packets that were sent again, long after, are no restart of their source', () => {
    const forwarder = newForwarder('VP8')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    const handle = (bytes: Uint8Array, repeated: boolean): WrittenPacket | undefined =>
      forwarder.handlePacket(0, bytes, parseRtpHeader(bytes)!, { pt: 100, repeated }, 16)
    forwarder.select(SOURCE_A)
    handle(datagram(a, vp8Payload({ id: 1, key: true }), true), false)
    const lost = Array.from({ length: 8 }, (_, i) => datagram(a, vp8Payload({ id: 2 + i }), true))
    for (let i = 0; i < REWRITE_WINDOW + 10; i++) handle(datagram(a, vp8Payload({ id: 10 + i }), true), false)
    for (const bytes of lost) expect(handle(bytes, true)).toBeUndefined()
    expect(forwarder.needsKeyframe).toBe(false)
    expect(handle(datagram(a, vp8Payload({ id: REWRITE_WINDOW + 20 }), true), false)).toBeDefined()
  })

  it('packets that were held since before an outage are no restart of their source', () => {
    const forwarder = newForwarder('VP8')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    for (let id = 0; id < 50; id++) forward(forwarder, 0, datagram(a, vp8Payload({ id }), true))
    a.sequenceNumber += 5000
    expect(forward(forwarder, 0, datagram(a, vp8Payload({ id: 3000, key: true }), true))).toBeDefined()
    expect(forwarder.pollHeld(0, { pt: 100 }, 0)).toBeUndefined()
    expect(forwarder.needsKeyframe).toBe(false)
    expect(forward(forwarder, 0, datagram(a, vp8Payload({ id: 3001 }), true))).toBeDefined()
  })

  it('packets that were held have the header extensions that they came with', () => {
    const forwarder = newForwarder('VP8')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    const ids = new ExtensionIds([{ id: 3, uri: EXTENSION_URIS.videoOrientation }])
    const rotated = (videoRotation: number) => ({
      pt: 100,
      extensions: writeHeaderExtensions({ videoRotation }, ids),
    })
    const rotationOf = ({ buffer, length }: WrittenPacket): number | undefined =>
      readHeaderExtensions(buffer, parseRtpHeader(buffer, length)!, ids).videoRotation
    forwarder.select(SOURCE_A)
    const first = datagram(a, vp8Payload({ id: 1, key: true }), false)
    const last = datagram(a, vp8Payload({ id: 1, start: false }), true)
    expect(forwarder.handlePacket(0, last, parseRtpHeader(last)!, rotated(90), 16)).toBeUndefined()
    expect(rotationOf(forwarder.handlePacket(0, first, parseRtpHeader(first)!, rotated(180), 16)!)).toBe(180)
    expect(rotationOf(forwarder.pollHeld(0, { pt: 100 }, 16)!)).toBe(90)
  })

  it('exhaust: only so many packets are held for a keyframe that is late', () => {
    const forwarder = newForwarder('VP8')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    const key = datagram(a, vp8Payload({ id: 1, key: true }), false)
    const others = Array.from({ length: 1000 }, () => datagram(a, vp8Payload({ id: 1, start: false }), false))
    for (const bytes of others) expect(forward(forwarder, 0, bytes)).toBeUndefined()
    expect(forwarder.pollHeld(0, { pt: 100 }, 0)).toBeUndefined()
    expect(forward(forwarder, 0, key)).toBeDefined()
    let held = 0
    while (forwarder.pollHeld(0, { pt: 100 }, 0) !== undefined) held++
    expect(held).toBe(MAX_HELD_PACKETS)
    expect(forwarder.statistics).toMatchObject({
      packetsForwarded: 1 + MAX_HELD_PACKETS,
      packetsOfOtherSources: 1000 - MAX_HELD_PACKETS,
    })
    // what lies before the keyframe is not for it
    forwarder.select(undefined)
    forwarder.select(SOURCE_A)
    forward(forwarder, 0, datagram(a, vp8Payload({ id: 2 }), true))
    expect(forward(forwarder, 0, datagram(a, vp8Payload({ id: 3, key: true }), true))).toBeDefined()
    expect(forwarder.pollHeld(0, { pt: 100 }, 0)).toBeUndefined()
  })

  it('packets of padding and malformed ones are left out without a hole', () => {
    const forwarder = newForwarder('VP8')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    const out = [
      vp8Payload({ id: 1, key: true }),
      new Uint8Array(0),
      Uint8Array.of(0x90, 0x80, 0x80),
      Uint8Array.of(0x90),
      vp8Payload({ id: 2 }),
    ].map((payload) => forward(forwarder, 0, datagram(a, payload, true)))
    expect(out.map((written) => written && parseRtpHeader(written.buffer)!.sequenceNumber)).toEqual([
      65_000,
      undefined,
      undefined,
      undefined,
      65_001,
    ])
    expect(forwarder.statistics.packetsLeftOut).toBe(3)
  })

  it('what the caller gets wrong changes nothing', () => {
    const invalid = expect.objectContaining({ code: 'invalid-option' })
    for (const clockRate of [0, Number.NaN, Infinity]) {
      expect(() => new RtpRewriter({ ...OPTIONS, clockRate })).toThrow(invalid)
    }
    const forwarder = newForwarder('VP8')
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    const bytes = datagram(a, vp8Payload({ id: 1, key: true }), true)
    const header = parseRtpHeader(bytes)!
    expect(() => forwarder.handlePacket(0, bytes, header, { pt: 128 }, 0)).toThrow(invalid)
    expect(() => forwarder.pollHeld(0, { pt: -1 }, 0)).toThrow(invalid)
    expect(forwarder.needsKeyframe).toBe(true)
    expect(parseRtpHeader(forward(forwarder, 0, bytes)!.buffer)).toMatchObject({ sequenceNumber: 65_000 })
  })

  it('a restarted source joins anew, and reports follow the newest packet', () => {
    const stream = new StreamTx({ ssrc: 1, sequenceNumber: 10 })
    const forwarder = new Forwarder({ stream, codec: 'VP8', clockRate: 90_000, timestamp: 5 })
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    forwarder.select(SOURCE_A)
    forward(forwarder, 0, datagram(a, vp8Payload({ id: 1, key: true }), true))
    a.sequenceNumber = 30_000
    for (const id of [50, 51]) {
      expect(forward(forwarder, 10, datagram(a, vp8Payload({ id }), true))).toBeUndefined()
    }
    expect(forwarder.needsKeyframe).toBe(true)
    a.timestamp = 99
    expect(forward(forwarder, 1000, datagram(a, vp8Payload({ id: 52, key: true }), true))).toBeDefined()
    expect(stream.sequenceNumber).toBe(12)
    expect(stream.report(1000, 0n, 90_000, []).rtpTime).toBe(90_005)
    // 99 has become 90005
    const mapped = forwarder.mapTimestamp(100)
    expect(mapped).toBe(90_006)
    expect(stream.report(1000, 0n, 90_000, [], mapped).rtpTime).toBe(90_006)
    forwarder.select(undefined)
    expect(forwarder.mapTimestamp(100)).toBeUndefined()
    expect(stream.statistics).toMatchObject({ packetsSent: 2, headerBytesSent: 24, bytesSent: 12 })
  })
})

describe('keyframes are seen in packets', () => {
  it.each([
    ['VP8', [0x10, 0x00, 0], true],
    ['VP8', [0x10, 0x01, 0], false],
    ['vp8', [0x00, 0x00, 0], false],
    ['VP9', [0x08, 0], true],
    ['VP9', [0x48, 0], false],
    ['H264', [0x67, 1, 2], true],
    ['H264', [0x61, 1, 2], false],
    ['H264', [0x78, 0, 2, 0x67, 1, 0, 2, 0x65, 1], true],
    ['H264', [0x78, 0, 2, 0x09, 1, 0, 2, 0x67, 1], true],
    ['AV1', [0x18, 0x08, 1], true],
    ['AV1', [0x10, 0x30, 1], false],
    ['opus', [1], true],
    ['theora', [1], false],
    ['H264', [], false],
  ])('%s %j', (codec, bytes, is) => {
    expect(isKeyframeStart(codec, Uint8Array.from(bytes))).toBe(is)
  })
})

describe('times of capture', () => {
  const RATE = 90_000
  /** A keyframe of one packet, sent on at `now`. Answers its timestamp. */
  const send = (
    forwarder: Forwarder,
    now: number,
    source: Source,
    timestamp: number,
    capturedAt?: number,
  ): number => {
    source.timestamp = timestamp
    const bytes = datagram(source, vp8Payload({ id: source.sequenceNumber & 0x7f, key: true }), true)
    const written = forwarder.handlePacket(now, bytes, parseRtpHeader(bytes)!, { pt: 100 }, 0, capturedAt)
    return parseRtpHeader(written!.buffer)!.timestamp
  }

  function setUp() {
    const stream = new StreamTx({ ssrc: 1, sequenceNumber: 10 })
    const forwarder = new Forwarder({ stream, codec: 'VP8', clockRate: RATE, timestamp: 0xffff_ff00 })
    const a: Source = { ssrc: SOURCE_A, sequenceNumber: 7, timestamp: 0 }
    const b: Source = { ssrc: SOURCE_B, sequenceNumber: 9000, timestamp: 0 }
    forwarder.select(SOURCE_A)
    /** When what has the timestamp was captured, as our report says. */
    const reported = (now: number, timestamp: number): number =>
      now - (serial32.diff(stream.report(now, 0n, RATE, []).rtpTime, timestamp) * 1000) / RATE
    return { stream, forwarder, a, b, reported }
  }

  it('are what the sender reports say, whatever the jitter; without them, when it was forwarded', () => {
    const { forwarder, a, reported } = setUp()
    for (let i = 0; i < 50; i++) {
      const captured = 1000 + 40 * i
      const now = captured + 50 + ((i * 7919) % 97)
      const timestamp = send(forwarder, now, a, 3600 * i, captured)
      expect(reported(now + 300, timestamp)).toBeCloseTo(captured, 1)
    }
    const timestamp = send(forwarder, 4000, a, 3600 * 60)
    expect(reported(4100, timestamp)).toBeCloseTo(4000, 1)
  })

  it('say how timestamps lie to each other over a switch', () => {
    const { forwarder, a, b, reported } = setUp()
    const first = send(forwarder, 1100, a, 0, 1000)
    forwarder.select(SOURCE_B)
    // captured 200 ms after the first one, and 70 ms longer under way
    const second = send(forwarder, 1370, b, 5, 1200)
    expect(serial32.diff(second, first)).toBe(18_000)
    for (const timestamp of [first, second]) {
      const captured = timestamp === first ? 1000 : 1200
      expect(reported(1400, timestamp)).toBeCloseTo(captured, 1)
    }
    // what was captured before the newest picture follows it, and the report says when it was
    forwarder.select(SOURCE_A)
    const third = send(forwarder, 1380, a, 17_100, 1190)
    expect(serial32.diff(third, second)).toBe(1)
    expect(reported(1400, third)).toBeCloseTo(1190, 1)
  })

  it('forge: that would make a pause, or are known of one source alone, do not', () => {
    const { forwarder, a, b } = setUp()
    let last = send(forwarder, 1000, a, 0, 1000)
    const cases: (readonly [captured: number | undefined, elapsed: number])[] = [
      [1100 + MAX_JOIN_DEVIATION + 1, 100],
      [1200, 100],
      [undefined, 100],
      [1400, 100],
      [1500, 100],
      [1e12, 100],
      [1700, 100],
      [1700 + 100 + MAX_JOIN_DEVIATION, 100 + MAX_JOIN_DEVIATION],
    ]
    for (const [i, [captured, elapsed]] of cases.entries()) {
      const source = i % 2 === 0 ? b : a
      forwarder.select(source.ssrc)
      const timestamp = send(forwarder, 1100 + 100 * i, source, 77_777 * i, captured)
      expect(serial32.diff(timestamp, last) / 90, `case ${i}`).toBeCloseTo(elapsed, 1)
      last = timestamp
    }
  })

  it('of packets that were held are their own', () => {
    const { forwarder, a, b, reported } = setUp()
    send(forwarder, 1000, a, 0, 990)
    forwarder.select(SOURCE_B)
    b.timestamp = 3600
    const keyframe = datagram(b, vp8Payload({ id: 1, key: true }), true)
    b.timestamp = 7200
    const next = datagram(b, vp8Payload({ id: 2 }), true)
    const handle = (bytes: Uint8Array, capturedAt: number) =>
      forwarder.handlePacket(1100, bytes, parseRtpHeader(bytes)!, { pt: 100 }, 0, capturedAt)
    expect(handle(next, 1080)).toBeUndefined()
    expect(handle(keyframe, 1040)).toBeDefined()
    const held = forwarder.pollHeld(1100, { pt: 100 }, 0)!
    expect(reported(1200, parseRtpHeader(held.buffer)!.timestamp)).toBeCloseTo(1080, 1)
  })
})
