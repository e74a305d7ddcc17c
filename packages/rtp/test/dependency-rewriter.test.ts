import { SeededRandom, serial16 } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { Forwarder, parseRtpHeader, StreamTx, writeRtpHeader } from '../src/index.ts'
import { type Structure, write } from './dependency-writer.ts'
import { forSeeds } from './seeds.ts'

// https://www.w3.org/TR/webrtc-svc/: three spatial layers and three temporal ones, each picture of a spatial layer referring to the one below (`full`), or
// those of keyframes alone (`key`)

type Mode = 'full' | 'key'

const SPATIAL = 3
const TEMPORAL = 3
const TARGETS = SPATIAL * TEMPORAL
const PATTERN = [0, 2, 1, 2] as const
/** How many pictures back the picture is that is referred to, by the place in the pattern. */
const REFERRED = [4, 1, 2, 1] as const
const NOT_PRESENT = 0
const DISCARDABLE = 1
const SWITCH = 2
const REQUIRED = 3
const OVERHEAD = 16
/** Bytes: an aggregation header, and elements of one byte each. */
const PAYLOAD = 21

interface Frame {
  readonly source: number
  readonly number: number
  readonly picture: number
  readonly spatial: number
  readonly temporal: number
  readonly key: boolean
  readonly refersTo: readonly number[]
}

interface Packet {
  readonly frame: Frame
  readonly last: boolean
  readonly bytes: Uint8Array
  readonly descriptor: Uint8Array
}

/** An encoder, with a random first frame number. */
class Encoder {
  readonly #source: number
  readonly #mode: Mode
  readonly #structure: Structure
  #number: number
  #sequenceNumber: number
  #picture = 0
  #place = 0
  readonly #numbers = new Map<string, number>()

  constructor(source: number, mode: Mode, random: SeededRandom) {
    this.#source = source
    this.#mode = mode
    this.#number = 65_000 + random.integer(2000)
    this.#sequenceNumber = random.integer(65_536)
    const layers = Array.from(
      { length: TARGETS },
      (_, i) => [Math.floor(i / TEMPORAL), i % TEMPORAL] as const,
    )
    this.#structure = {
      offset: random.integer(64),
      targets: TARGETS,
      chains: 0,
      protectedBy: [],
      resolutions: true,
      templates: layers.map(([spatial, temporal], i) => ({
        next: (i + 1) % TEMPORAL === 0 ? 2 : 1,
        indications: this.#indications(spatial, temporal, false),
        differences: [],
        chainDifferences: [],
      })),
    }
  }

  /** The packets of the next picture: two for each frame. */
  encode(key: boolean): Packet[] {
    if (key) this.#place = 0
    const temporal = PATTERN[this.#place]!
    const packets: Packet[] = []
    for (let spatial = 0; spatial < SPATIAL; spatial++) {
      const number = this.#number++
      const refersTo: number[] = []
      if (!key) refersTo.push(this.#numbers.get(`${this.#picture - REFERRED[this.#place]!} ${spatial}`)!)
      if (spatial > 0 && (key || this.#mode === 'full')) refersTo.push(number - 1)
      this.#numbers.set(`${this.#picture} ${spatial}`, number)
      const frame = { source: this.#source, number, picture: this.#picture, spatial, temporal, key, refersTo }
      for (const last of [false, true]) packets.push(this.#packet(frame, last))
    }
    this.#picture++
    this.#place = (this.#place + 1) % PATTERN.length
    return packets
  }

  #packet(frame: Frame, last: boolean): Packet {
    const { number, spatial, temporal, key, refersTo, picture } = frame
    const template = (this.#structure.offset + spatial * TEMPORAL + temporal) % 64
    const descriptor = write({
      start: !last,
      end: last,
      template,
      frame: number % 65_536,
      targets: TARGETS,
      ...(key && spatial === 0 && !last ? { structure: this.#structure } : {}),
      ...(key ? { indications: this.#indications(spatial, temporal, true) } : {}),
      differences: refersTo.map((other) => number - other),
    })
    const bytes = new Uint8Array(12 + PAYLOAD).fill(1)
    writeRtpHeader(bytes, {
      payloadType: 45,
      marker: last && spatial === SPATIAL - 1,
      sequenceNumber: this.#sequenceNumber++ % 65_536,
      timestamp: 3000 * picture,
      ssrc: this.#source,
    })
    // the N bit of the aggregation header: a new coded video sequence
    bytes[12] = key && spatial === 0 && !last ? 0x08 : 0
    return { frame, last, bytes, descriptor }
  }

  #indications(spatial: number, temporal: number, key: boolean): number[] {
    return Array.from({ length: TARGETS }, (_, target) => {
      const ofSpatial = Math.floor(target / TEMPORAL)
      const ofTemporal = target % TEMPORAL
      const isPresent = key || this.#mode === 'full' ? spatial <= ofSpatial : spatial === ofSpatial
      if (!isPresent || temporal > ofTemporal) return NOT_PRESENT
      if (key) return SWITCH
      if (spatial < ofSpatial) return REQUIRED
      if (temporal === 0) return SWITCH
      return temporal === ofTemporal ? DISCARDABLE : REQUIRED
    })
  }
}

/** A forwarder, and what went out of it. */
class Subscriber {
  readonly forwarder: Forwarder = new Forwarder({
    stream: new StreamTx({ ssrc: 9, sequenceNumber: 65_500 }),
    codec: 'AV1',
    clockRate: 90_000,
    timestamp: 5,
  })
  readonly sent: (Packet & {
    readonly out: Uint8Array
    readonly marker: boolean
    readonly sequenceNumber: number
  })[] = []

  take(now: number, packet: Packet): boolean {
    let given: Uint8Array | undefined
    const dependency = {
      descriptor: packet.descriptor,
      extensionsWith: (descriptor: Uint8Array) => {
        given = descriptor
        return undefined
      },
    }
    const header = parseRtpHeader(packet.bytes)!
    const written = this.forwarder.handlePacket(now, packet.bytes, header, { pt: 100, dependency }, OVERHEAD)
    if (written === undefined) return false
    const out = parseRtpHeader(written.buffer.subarray(0, written.length))!
    const { marker, sequenceNumber } = out
    this.sent.push({ ...packet, out: given!, marker, sequenceNumber })
    return true
  }
}

const key = ({ source, number }: Pick<Frame, 'source' | 'number'>): string => `${source} ${number}`

describe.each(['full', 'key'] as const)('layers by the dependency descriptor, %s', (mode) => {
  it('are left out and come back: what goes out is decodable, no more than is wanted, and without a gap', () => {
    forSeeds(60, (random) => {
      const encoders = [new Encoder(1, mode, random), new Encoder(2, mode, random)]
      const subscriber = new Subscriber()
      run(subscriber, encoders, random)
      check(subscriber)
    })
  })

  it('the end of a late frame is none of its picture, where the layers above have gone', () => {
    const encoder = new Encoder(1, mode, new SeededRandom(1))
    const subscriber = new Subscriber()
    subscriber.forwarder.select(1)
    for (const packet of encoder.encode(true)) subscriber.take(0, packet)
    const picture = encoder.encode(false)
    const [late] = picture.splice(1, 1)
    for (const packet of picture) subscriber.take(0, packet)
    subscriber.forwarder.maxSpatialLayer = 0
    for (const packet of encoder.encode(false)) subscriber.take(0, packet)
    expect(subscriber.take(0, late!)).toBe(true)
    expect(subscriber.sent.at(-1)).toMatchObject({ frame: { spatial: 0 }, marker: false })
  })

  it('late frames are of the layers that went out when they were sent', () => {
    const encoder = new Encoder(1, mode, new SeededRandom(1))
    const subscriber = new Subscriber()
    subscriber.forwarder.select(1)
    subscriber.forwarder.maxTemporalLayer = 0
    const take = (packets: readonly Packet[]): number =>
      packets.filter((packet) => subscriber.take(0, packet)).length
    const perPicture = 2 * SPATIAL
    expect(take(encoder.encode(true))).toBe(perPicture)
    // the last frame of a picture that is not wanted, and one that is, overtaken by a keyframe from which on all are
    const [unwanted, , , wanted] = Array.from({ length: 4 }, () => encoder.encode(false))
    const late = [unwanted!, wanted!].map((packets) => packets.slice(-2))
    expect(take(unwanted!.slice(0, -2))).toBe(0)
    expect(take(wanted!.slice(0, -2))).toBe(perPicture - 2)
    subscriber.forwarder.maxTemporalLayer = 2
    expect(take(encoder.encode(true))).toBe(perPicture)
    // the places of those that are not wanted are filled
    const filled = late.map((packets) => {
      const before = subscriber.forwarder.statistics.placesFilled
      take(packets)
      return subscriber.forwarder.statistics.placesFilled - before
    })
    expect(filled).toEqual([2, 0])
  })

  it('goes down at once; up in pictures a second at the next base picture, in size with a keyframe that is asked for', () => {
    const encoder = new Encoder(1, mode, new SeededRandom(1))
    const subscriber = new Subscriber()
    const { forwarder } = subscriber
    forwarder.select(1)
    let now = 0
    const layersOf = (pictures: number, asKeyframe = false): string[] => {
      const from = subscriber.sent.length
      for (let i = 0; i < pictures; i++) {
        for (const packet of encoder.encode(asKeyframe && i === 0)) subscriber.take((now += 1), packet)
      }
      const layers = subscriber.sent.slice(from).map(({ frame }) => `${frame.spatial}${frame.temporal}`)
      return [...new Set(layers)].toSorted()
    }
    expect(layersOf(4, true)).toEqual(['00', '01', '02', '10', '11', '12', '20', '21', '22'])
    forwarder.maxSpatialLayer = 0
    forwarder.maxTemporalLayer = 0
    expect(layersOf(4)).toEqual(['00'])
    expect(forwarder.needsKeyframe).toBe(false)
    forwarder.maxTemporalLayer = 2
    expect(layersOf(4)).toEqual(['00', '01', '02'])
    forwarder.maxSpatialLayer = 1
    expect(layersOf(4)).toEqual(['00', '01', '02'])
    expect(forwarder.needsKeyframe).toBe(true)
    expect(forwarder.current).toBe(1)
    expect(layersOf(4, true)).toEqual(['00', '01', '02', '10', '11', '12'])
    expect(forwarder.needsKeyframe).toBe(false)
    // who wants less again asks for nothing
    forwarder.maxSpatialLayer = 2
    layersOf(1)
    expect(forwarder.needsKeyframe).toBe(true)
    forwarder.maxSpatialLayer = 1
    expect(forwarder.needsKeyframe).toBe(false)
  })
})

/** Two sources, of which now one is wanted and now the other, and more or fewer layers; packets may change places. */
function run(subscriber: Subscriber, encoders: readonly Encoder[], random: SeededRandom): void {
  const { forwarder } = subscriber
  const asked = [true, true]
  let now = 0
  forwarder.select(1)
  for (let i = 0; i < 120; i++) {
    if (random.integer(15) === 0) forwarder.maxSpatialLayer = random.integer(4)
    if (random.integer(15) === 0) forwarder.maxTemporalLayer = random.integer(4)
    if (random.integer(40) === 0) forwarder.select(1 + random.integer(2))
    if (forwarder.needsKeyframe && random.integer(4) === 0) asked[forwarder.selected! - 1] = true
    encoders.forEach((encoder, source) => {
      const packets = encoder.encode(asked[source]!)
      asked[source] = false
      for (const packet of packets) {
        const { maxSpatialLayer, maxTemporalLayer } = forwarder
        if (!subscriber.take((now += 1), packet)) continue
        expect(packet.frame.spatial).toBeLessThanOrEqual(maxSpatialLayer)
        expect(packet.frame.temporal).toBeLessThanOrEqual(maxTemporalLayer)
      }
    })
  }
}

function check({ sent }: Subscriber): void {
  expect(sent.length).toBeGreaterThan(50)
  const decodable = new Set<string>()
  sent.forEach(({ frame, last, descriptor, out, marker, sequenceNumber }, i) => {
    // the rest of it stays
    expect(Buffer.compare(out.subarray(3), descriptor.subarray(3))).toBe(0)
    const before = sent[i - 1]
    for (const number of frame.refersTo) {
      const isThere = decodable.has(key({ ...frame, number }))
      expect(isThere, `frame ${key(frame)} refers to ${number}`).toBe(true)
    }
    decodable.add(key(frame))
    if (before === undefined) return
    expect(serial16.diff(sequenceNumber, before.sequenceNumber)).toBe(1)
    const isSwitch = before.frame.source !== frame.source
    const step = isSwitch ? 1 : frame.number - before.frame.number
    expect(serial16.diff(frameNumberOf(out), frameNumberOf(before.out))).toBe(step)
    // both packets of a frame go out
    if (!isSwitch) expect(before.frame.number === frame.number).toBe(last)
    // the last packet of each picture has the marker
    if (!isSwitch) expect(before.marker).toBe(before.frame.picture !== frame.picture)
    expect(marker && !last).toBe(false)
  })
}

function frameNumberOf(descriptor: Uint8Array): number {
  return (descriptor[1]! << 8) | descriptor[2]!
}

describe('two spatial layers of two temporal ones', () => {
  const LAYERS = [0, 1, 2, 3]
  const structureAt = (offset: number): Structure => ({
    offset,
    targets: 4,
    chains: 0,
    protectedBy: [],
    resolutions: false,
    templates: LAYERS.map((i) => ({
      next: i % 2 === 0 ? 1 : 2,
      indications: LAYERS.map((target) => ((i & target) === i ? REQUIRED : NOT_PRESENT)),
      differences: [],
      chainDifferences: [],
    })),
  })

  function setUp() {
    const forwarder = new Forwarder({
      stream: new StreamTx({ ssrc: 9, sequenceNumber: 1 }),
      codec: 'AV1',
      clockRate: 90_000,
      timestamp: 5,
    })
    forwarder.select(1)
    /** A frame of one packet. Answers its marker, or `undefined` where it did not go out. */
    const take = (
      number: number,
      marker: boolean,
      descriptor: Uint8Array,
      starts = false,
    ): boolean | undefined => {
      const bytes = new Uint8Array(14)
      const timestamp = 3000 * (number >> 1)
      writeRtpHeader(bytes, { payloadType: 45, marker, sequenceNumber: number, timestamp, ssrc: 1 })
      bytes[12] = starts ? 0x08 : 0
      const fields = { pt: 100, dependency: { descriptor, extensionsWith: () => undefined } }
      const written = forwarder.handlePacket(0, bytes, parseRtpHeader(bytes)!, fields, 0)
      return written && parseRtpHeader(written.buffer, written.length)!.marker
    }
    return { forwarder, take }
  }

  it('that do not refer to each other come back in time together, not in a picture of which some is left out', () => {
    const { forwarder, take } = setUp()
    let number = 0
    /** `upper`: what is said of the upper layer's frame to a receiver of all. Answers which went out. */
    const picture = (temporal: number, differences: readonly number[], upper: number): boolean[] =>
      [0, 1].map((spatial) => {
        const key = number < 2
        const indications = LAYERS.map((target) => {
          if (key) return SWITCH
          if (target >> 1 !== spatial || temporal > (target & 1)) return NOT_PRESENT
          return spatial === 1 && target === 3 ? upper : REQUIRED
        })
        const descriptor = write({
          template: 2 * spatial + temporal,
          frame: number,
          targets: 4,
          indications,
          ...(number === 0 ? { structure: structureAt(0) } : {}),
          differences: key ? (spatial === 0 ? [] : [1]) : [differences[spatial]!],
        })
        return take(number, spatial === 1, descriptor, number++ === 0) !== undefined
      })
    forwarder.maxTemporalLayer = 0
    expect(picture(0, [], SWITCH)).toEqual([true, true])
    expect(picture(1, [2, 2], SWITCH)).toEqual([false, false])
    forwarder.maxTemporalLayer = 1
    expect(picture(0, [4, 4], REQUIRED)).toEqual([true, true])
    // the lower frame refers to one that was left out, the upper one does not
    expect(picture(1, [4, 2], SWITCH)).toEqual([false, false])
    expect(picture(0, [4, 4], SWITCH)).toEqual([true, true])
    expect(picture(1, [2, 2], SWITCH)).toEqual([true, true])
  })

  it('have one marker where the structure comes after the upper one, which went since nobody could tell', () => {
    const { forwarder, take } = setUp()
    forwarder.maxSpatialLayer = 0
    expect(take(0, false, write({ template: 0, frame: 0, structure: structureAt(0) }), true)).toBe(true)
    expect(take(1, true, write({ template: 2, frame: 1 }))).toBeUndefined()
    // templates of other ids from the next keyframe on
    expect(take(3, true, write({ template: 34, frame: 3 }))).toBe(true)
    expect(take(2, false, write({ template: 32, frame: 2, structure: structureAt(32) }), true)).toBe(false)
  })
})
