import type { Depacketizer, FrameStart } from '../src/codecs/depacketizer.ts'
import type { Frame } from '../src/index.ts'

export interface TwinPacket {
  /** Never wraps: the twin knows the true place of each packet. */
  readonly index: number
  readonly timestamp: number
  readonly marker: boolean
  readonly payload: Uint8Array
  readonly arrival: number
}

export type TwinFrame = Omit<Frame, 'timestamp' | 'payloadType' | 'extensions' | 'layers'>

/** What `FrameAssembler` does, slowly: every packet in one map, and everything looked at again at each step. */
export class TwinAssembler {
  readonly frames: TwinFrame[] = []
  readonly #packets = new Map<number, TwinPacket>()
  readonly #depacketizer: Depacketizer
  readonly #maxWait: number
  #cursor = -1
  #current: TwinPacket[] = []
  #aligned = false
  /** A frame has come, or a packet is missing. */
  #isUnderWay = false
  #contiguous = true
  #touched = false
  #markersInARow = 0
  #known: FrameStart | undefined

  constructor(depacketizer: Depacketizer, maxWait: number) {
    this.#depacketizer = depacketizer
    this.#maxWait = maxWait
  }

  get deadline(): number {
    const waiting = [...this.#packets.values()].filter(({ index }) => index >= this.#cursor)
    return Math.min(...waiting.map(({ arrival }) => arrival)) + this.#maxWait
  }

  packet(packet: TwinPacket): void {
    if (this.#cursor < 0) this.#cursor = packet.index
    if (!this.#touched && this.#start > packet.index && this.#start - packet.index < 100) {
      this.#cursor = packet.index
      this.#current = []
    }
    if (packet.index < this.#start || this.#packets.has(packet.index)) return
    const seeks = this.#seeksBeginning
    this.#packets.set(packet.index, packet)
    if (seeks && this.#seeksBeginning && this.#depacketizer.startsKeyframe(packet.payload)) this.#giveUp()
    else this.#goOn()
  }

  timeout(now: number): void {
    while (now >= this.deadline) this.#giveUp()
  }

  #giveUp(): void {
    while (!this.#packets.has(this.#cursor)) this.#cursor++
    this.#isUnderWay ||= !this.#seeksBeginning
    const first = this.#current[0]?.payload
    if (first !== undefined && this.#depacketizer.startsFrame(first))
      this.#known ??= this.#depacketizer.learnStart?.([first])
    this.#current = []
    this.#aligned = false
    this.#contiguous = false
    this.#touched = true
    this.#goOn()
  }

  /** The first packet of all is not the first of a frame. */
  get #seeksBeginning(): boolean {
    const payload = this.#packets.get(this.#cursor)?.payload
    return (
      !this.#touched &&
      this.#current.length === 0 &&
      payload !== undefined &&
      payload.length > 0 &&
      !this.#depacketizer.startsFrame(payload)
    )
  }

  get #start(): number {
    return this.#current[0]?.index ?? this.#cursor
  }

  #goOn(): void {
    for (;;) {
      const packet = this.#packets.get(this.#cursor)
      if (packet === undefined || this.#seeksBeginning) return
      const before = this.#current.find(({ payload }) => payload.length > 0)
      if (before !== undefined && packet.payload.length > 0 && before.timestamp !== packet.timestamp) {
        if (this.#markersInARow >= 32 && this.#depacketizer.startsKeyframe(packet.payload)) this.#cut()
        else this.#deliver()
      }
      this.#current.push(packet)
      this.#cursor++
      if (packet.marker || this.#depacketizer.onePacketPerFrame) this.#deliver()
    }
  }

  /** The end of a frame was left out where its source was left for another. */
  #cut(): void {
    this.#current = []
    this.#aligned = true
    this.#contiguous = false
  }

  #deliver(): void {
    const all = this.#current
    const media = all.filter(({ payload }) => payload.length > 0)
    const aligned = this.#aligned
    this.#current = []
    this.#touched = true
    if (media.length > 0 || all.some(({ marker }) => marker)) this.#aligned = true
    if (media.length === 0) return
    this.#markersInARow = all.some(({ marker }) => marker) ? this.#markersInARow + 1 : 0
    const payloads = media.map(({ payload }) => payload)
    const starts = this.#depacketizer.startsFrame(payloads[0]!)
    const whole =
      aligned ||
      (starts && (this.#depacketizer.startsWhole?.(payloads, this.#known, this.#isUnderWay) ?? true))
    this.#isUnderWay = true
    const frame = whole ? this.#depacketizer.assemble(payloads) : undefined
    if (frame === undefined) {
      this.#contiguous = false
      return
    }
    if (frame.keyframe || starts) this.#known = this.#depacketizer.learnStart?.(payloads)
    this.frames.push({
      ...frame,
      firstSequence: all[0]!.index,
      lastSequence: all.at(-1)!.index,
      contiguous: this.#contiguous,
      receivedAt: Math.min(...media.map(({ arrival }) => arrival)),
    })
    this.#contiguous = true
  }
}
