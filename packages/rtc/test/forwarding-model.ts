import { parseVp8Descriptor, parseVp9Descriptor } from '@str0m/rtp'
import { serial16, serial32 } from '@str0m/sans-io'
import type { MediaData, RtpPacket } from '../src/index.ts'
import { type FrameRegistry, type LayerFrame, type LayeredCodec, SHORTEST_BODY } from './layered-source.ts'
import { DAY } from './forwarding-weather.ts'

// What must be true of all that a subscriber gets, looked at slowly.

type Report = (problem: string) => void

const name = ({ source, picture, spatial }: LayerFrame): string => `${source}:${picture}/${spatial}`

/** A decoder that knows what each frame depends on. */
export class FrameModel {
  readonly #registry: FrameRegistry
  readonly #report: Report
  readonly #has = new Set<LayerFrame>()
  /** The frame numbers that frames came with, where they have such. */
  readonly #numbers = new Map<LayerFrame, number>()
  #last: LayerFrame | undefined
  #lastTime = Number.NEGATIVE_INFINITY
  /** Whether it stands still until the next keyframe. */
  #isBroken = true
  /** Frames that it could show. */
  shown = 0
  /** How often something was lost. */
  breaks = 0
  /** Of the last frame: how much later than it was captured it says that it was; ms. */
  late: number | undefined

  constructor(registry: FrameRegistry, report: Report) {
    this.#registry = registry
    this.#report = report
  }

  get last(): LayerFrame | undefined {
    return this.#last
  }

  take(event: MediaData): void {
    const { codec, data, keyframe, contiguous, time, captureTime } = event
    const frames = this.#registry.read(codec.name as LayeredCodec, data)
    const first = frames?.[0]
    if (frames === undefined || first === undefined)
      return this.#report(`a frame of ${data.length} bytes that was not sent`)
    if (
      frames.some(
        (frame, i) =>
          frame.source !== first.source ||
          frame.picture !== first.picture ||
          (i > 0 && frame.spatial <= frames[i - 1]!.spatial),
      )
    )
      return this.#report(`a picture mixed of ${frames.map(name).join(' ')}`)
    const last = this.#last
    const isSwitch = last?.source !== first.source
    if (keyframe !== (first.keyframe && first.spatial === 0))
      this.#report(`${name(first)} is called ${keyframe ? 'a' : 'no'} keyframe`)
    if (!isSwitch && first.picture <= last.picture) this.#report(`${name(first)} after ${name(last)}`)
    if (time.value <= this.#lastTime)
      this.#report(`${name(first)} is not later than ${last === undefined ? '' : name(last)}`)
    if (!contiguous || (isSwitch && !keyframe)) {
      if (contiguous && last !== undefined) this.#report(`a switch to ${name(first)}, which is no keyframe`)
      this.#isBroken = true
      this.breaks++
    }
    if (keyframe) {
      this.#isBroken = false
      this.#has.clear()
    }
    for (const frame of frames) {
      for (const reference of frame.references) {
        if (this.#isBroken || this.#has.has(reference)) continue
        this.#report(
          `${name(frame)} refers to ${name(reference)}, which did not come${isSwitch ? ' (after a switch)' : ''}`,
        )
      }
      this.#has.add(frame)
    }
    this.#checkDependency(first, event)
    if (!this.#isBroken) this.shown++
    this.#last = first
    this.#lastTime = time.value
    this.late = captureTime === undefined ? undefined : captureTime - DAY - first.capturedAt
  }

  #checkDependency(first: LayerFrame, { dependency, extensions, keyframe }: MediaData): void {
    if (extensions.dependencyDescriptor === undefined) return
    if (dependency === undefined) {
      if (!this.#isBroken) this.#report(`${name(first)}: its dependency descriptor cannot be read`)
      return
    }
    const { frameNumber, layers, startsSequence } = dependency
    if (keyframe && !startsSequence) this.#report(`${name(first)} has no structure`)
    if (!this.#isBroken && (layers.spatial !== first.spatial || layers.temporal !== first.temporal))
      this.#report(`${name(first)} is said to be of the layers ${JSON.stringify(layers)}`)
    this.#numbers.set(first, frameNumber)
    for (const reference of first.references) {
      const number = this.#numbers.get(reference)
      if (number === undefined || this.#isBroken) continue
      const distance = (frameNumber - number) & 0xffff
      if (distance !== ((first.frameNumber - reference.frameNumber) & 0xffff))
        this.#report(`${name(first)} says that ${name(reference)} lies ${distance} back`)
    }
    const last = this.#last === undefined ? undefined : this.#numbers.get(this.#last)
    if (last !== undefined && serial16.diff(frameNumber, last) <= 0)
      this.#report(`${name(first)}: frame number ${frameNumber} after ${last}`)
  }
}

/** A packet that came, and what it was made of. */
interface Got {
  readonly frame: LayerFrame
  readonly index: number
  readonly sequence: number
  readonly timestamp: number
  readonly marker: boolean
  readonly pictureId: number | undefined
  readonly tl0: number | undefined
}

/** Looks at the numbers of all packets, once they have all come. */
export class PacketModel {
  readonly #registry: FrameRegistry
  readonly #report: Report
  readonly #got: Got[] = []
  readonly #sequences = new Set<number>()
  /** Whether another forwarder has taken over: each numbers pictures of its own. */
  isRenumbered = false
  #newest: number | undefined
  last: LayerFrame | undefined

  constructor(registry: FrameRegistry, report: Report) {
    this.#registry = registry
    this.#report = report
  }

  get count(): number {
    return this.#got.length
  }

  take({ codec, header, payload }: RtpPacket): void {
    const sequence =
      this.#newest === undefined
        ? header.sequenceNumber + 0x1_0000
        : serial16.unwrap(header.sequenceNumber, this.#newest)
    this.#newest = Math.max(sequence, this.#newest ?? 0)
    if (this.#sequences.has(sequence)) this.#report(`packet ${sequence} came twice`)
    this.#sequences.add(sequence)
    // padding, in the place of a packet that was left out
    if (payload.length === 0) return
    const { length, pictureId, tl0 } = this.#descriptor(codec.name, payload)
    const body = payload.subarray(length)
    if (body.length < SHORTEST_BODY) return
    const known = this.#registry.packet(body)
    if (known === undefined) return this.#report(`packet ${sequence} was not sent`)
    this.last = known.frame
    this.#got.push({ ...known, sequence, timestamp: header.timestamp, marker: header.marker, pictureId, tl0 })
  }

  #descriptor(
    codec: string,
    payload: Uint8Array,
  ): {
    length: number
    pictureId?: number | undefined
    tl0?: number | undefined
  } {
    if (codec === 'H264' || codec === 'AV1') return { length: 0 }
    const parsed = codec === 'VP8' ? parseVp8Descriptor(payload) : parseVp9Descriptor(payload)
    if (parsed === undefined) {
      this.#report('a descriptor that cannot be read')
      return { length: 0 }
    }
    return { length: parsed.length, pictureId: parsed.pictureId, tl0: parsed.tl0PictureIndex }
  }

  finish(): void {
    const got = this.#got.toSorted((a, b) => a.sequence - b.sequence)
    for (let i = 1; i < got.length; i++) this.#compare(got[i - 1]!, got[i]!)
  }

  #compare(before: Got, after: Got): void {
    const { frame } = after
    const { codec } = frame.shape
    const isSwitch = frame.source !== before.frame.source
    const isSame = !isSwitch && frame.picture === before.frame.picture
    const at = `packet ${after.sequence} (${name(frame)} after ${name(before.frame)})`
    const isWhole = this.#isWhole(before.sequence, after.sequence)
    if (isSwitch && !frame.keyframe && isWhole) this.#report(`${at}: a switch at no keyframe`)
    if (!isSwitch && after.index <= before.index) this.#report(`${at}: out of order`)
    const elapsed = serial32.diff(after.timestamp, before.timestamp)
    if (isSame ? elapsed !== 0 : elapsed <= 0) this.#report(`${at}: the timestamp goes on by ${elapsed}`)
    if (before.marker === isSame) this.#markers(before, after, at)
    if (after.pictureId === undefined || before.pictureId === undefined) return
    if (codec !== before.frame.shape.codec || (frame.keyframe && this.isRenumbered)) return
    const isShort = [frame, before.frame].some(({ shape }) => codec === 'VP8' && shape.pictureIdBits === 7)
    const mask = isShort ? 0x7f : 0x7fff
    const ids = (after.pictureId - before.pictureId) & mask
    const pictures = isSwitch ? 1 : frame.picture - before.frame.picture
    if (isSame ? ids !== 0 : ids === 0) this.#report(`${at}: the picture id goes on by ${ids}`)
    else if (!isSame && isWhole && codec === 'VP8' && ids !== 1)
      this.#report(`${at}: a jump of the picture id by ${ids}`)
    else if (
      !isSame &&
      isWhole &&
      codec === 'VP9' &&
      ids !== (pictures & mask) &&
      !(frame.keyframe && ids === 1)
    )
      this.#report(`${at}: the picture id goes on by ${ids}, not ${pictures}`)
    if (after.tl0 === undefined || before.tl0 === undefined || isSame || !isWhole) return
    const steps = (after.tl0 - before.tl0) & 0xff
    if (steps !== (frame.temporal === 0 ? 1 : 0)) this.#report(`${at}: TL0PICIDX goes on by ${steps}`)
  }

  #markers(before: Got, after: Got, at: string): void {
    // a source may be left in the middle of a picture, for the keyframe of another
    if (!before.marker && after.frame.keyframe) return
    if (before.marker || this.#isWhole(before.sequence, after.sequence))
      this.#report(`${at}: ${before.marker ? 'a marker within a picture' : 'no marker at the end of one'}`)
  }

  #isWhole(from: number, to: number): boolean {
    return to === from + 1
  }
}
