import type { Link } from '@str0m/netem'
import { SeededRandom } from '@str0m/sans-io'
import { BandwidthEstimator, type BandwidthEstimatorOptions, type Feedback, Pacer } from '../../src/index.ts'
import { OVERHEAD, type Packet, packet } from './packet.ts'
import { Receiver } from './receiver.ts'
import { Recorder } from './recorder.ts'
import { StreamReceiver } from './stream-receiver.ts'
import type { Actor, Simulation } from './simulation.ts'

const FRAME_INTERVAL = 1000 / 30
const AUDIO_INTERVAL = 20
const AUDIO_SIZE = 50 + OVERHEAD
const MAX_SIZE = 1200 + OVERHEAD

export interface FlowOptions extends BandwidthEstimatorOptions {
  readonly seed: number
  readonly forward: Link<Packet>
  readonly backward: Link<Packet>
  /** A link after the bottleneck, of this flow alone. */
  readonly tail?: Link<Packet>
  /** The one-way delay without queues, ms. */
  readonly latency: number
  /** Of the video, bits per second. Default: none. */
  readonly maxVideo?: number
  /** What is desired, where that is not `maxVideo`. */
  readonly desired?: number
  readonly start?: number
  readonly end?: number
  /** ms between two feedbacks. Default 75. */
  readonly feedbackInterval?: number
  readonly firstSequence?: number
  /** Whether feedback is that of RFC 8888, stream by stream, instead of transport-wide. */
  readonly standard?: boolean
  /** ms that the receiver's clock is ahead. */
  readonly clock?: number
  readonly audio?: boolean
  readonly padding?: boolean
  /** ms by which the driver's timer for the pacer is late, at most. Default 0. */
  readonly lateness?: number
}

interface Waiting {
  readonly size: number
}

/** A sender of video at the rate of its estimate, and of audio; and its receiver. */
export class Flow implements Actor {
  readonly estimator: BandwidthEstimator
  readonly pacer: Pacer<Waiting> = new Pacer<Waiting>()
  readonly record = new Recorder()
  readonly receiver: Receiver
  readonly streamReceiver: StreamReceiver
  paused = false
  maxVideo: number
  readonly #simulation: Simulation
  readonly #options: FlowOptions
  readonly #random: SeededRandom
  #sequence: number
  /** Of the streams of audio, video and padding, where each is told of by itself. */
  readonly #sequences: [number, number, number]
  #frameAt: number
  #audioAt: number
  #feedbackAt = Number.POSITIVE_INFINITY
  #bitrate = 0
  /** When the driver's timer for the pacer comes. */
  #pacerAt = Number.POSITIVE_INFINITY

  constructor(simulation: Simulation, options: FlowOptions) {
    this.#simulation = simulation
    this.#options = options
    this.#random = new SeededRandom(options.seed)
    this.estimator = new BandwidthEstimator(options)
    this.receiver = new Receiver(options.clock ?? 123_456_789.3)
    this.streamReceiver = new StreamReceiver(options.clock ?? 123_456_789.3)
    this.maxVideo = options.maxVideo ?? Number.POSITIVE_INFINITY
    const start = options.start ?? 0
    const first = options.firstSequence ?? 60_000
    this.#sequence = first
    this.#sequences = [first, first, first]
    // not all flows have their frames at once
    this.#frameAt = start + this.#random.float() * FRAME_INTERVAL
    this.#audioAt = (options.audio ?? true) ? start : Number.POSITIVE_INFINITY
    const desired = options.desired ?? options.maxVideo
    if (desired !== undefined) this.estimator.setDesiredBitrate(start, desired)
    simulation.actors.push(this)
  }

  get deadline(): number {
    return Math.min(this.#frameAt, this.#audioAt, this.#feedbackAt, this.#pacerAt, this.estimator.deadline)
  }

  wake(now: number): void {
    const end = this.#options.end ?? Number.POSITIVE_INFINITY
    if (now >= end) this.#frameAt = this.#audioAt = Number.POSITIVE_INFINITY
    if (now >= this.estimator.deadline) this.estimator.handleTimeout(now)
    if (now >= this.#feedbackAt) this.#sendFeedback()
    if (now >= this.#audioAt) {
      this.#audioAt += AUDIO_INTERVAL
      if (!this.paused) this.pacer.push(now, { size: AUDIO_SIZE }, AUDIO_SIZE, 'audio')
    }
    if (now >= this.#frameAt) {
      this.#frameAt += FRAME_INTERVAL
      if (!this.paused) this.#pushFrame(now)
    }
    this.drain(now)
  }

  /** Gives the pacer what the estimator says, and sends what it lets go. */
  drain(now: number): void {
    const { estimator, pacer } = this
    for (;;) {
      this.#update(now)
      const waiting = pacer.poll(now)
      if (waiting !== undefined) {
        this.#send(now, waiting.size, pacer.probe, waiting.size === AUDIO_SIZE ? 0 : 1)
        continue
      }
      const padding = (this.#options.padding ?? true) ? pacer.paddingDue(now) : 0
      if (padding === 0) break
      const size = Math.min(Math.max(padding, 100), MAX_SIZE)
      const { probe } = pacer
      pacer.handlePadding(now, size)
      this.#send(now, size, probe, 2)
    }
    this.#pacerAt = pacer.deadline
    const { lateness = 0 } = this.#options
    if (lateness > 0) this.#pacerAt += lateness * this.#random.float()
    if (pacer.deadline <= now) throw new Error(`the pacer asks for ${pacer.deadline} at ${now}`)
    if (estimator.deadline <= now) throw new Error(`the estimator asks for ${estimator.deadline} at ${now}`)
  }

  #update(now: number): void {
    const { estimator, pacer } = this
    for (let cluster = estimator.pollProbe(); cluster !== undefined; cluster = estimator.pollProbe()) {
      pacer.startProbe(now, cluster)
    }
    if (estimator.bitrate === this.#bitrate) return
    this.#bitrate = estimator.bitrate
    pacer.setBitrate(now, this.#bitrate)
  }

  #pushFrame(now: number): void {
    const audio = Number.isFinite(this.#audioAt) ? (AUDIO_SIZE * 8000) / AUDIO_INTERVAL : 0
    const target = Math.min(this.estimator.bitrate - audio, this.maxVideo)
    const varied = target * (0.95 + 0.1 * this.#random.float())
    const bytes = Math.max(60, Math.round((varied * FRAME_INTERVAL) / 8000))
    const count = Math.ceil(bytes / MAX_SIZE)
    for (let i = 0; i < count; i++) {
      const size = Math.floor((bytes * (i + 1)) / count) - Math.floor((bytes * i) / count)
      this.pacer.push(now, { size }, size, 'video')
    }
  }

  #send(now: number, size: number, probe: number | undefined, stream: 0 | 1 | 2): void {
    const received =
      this.#options.standard === true
        ? this.#noteStream(now, size, probe, stream)
        : this.#noteNumber(now, size, probe)
    this.record.sent()
    const arrive = (at: number): void => {
      this.record.arrived(at, size, at - now - this.#options.latency)
      received(at)
      if (this.#feedbackAt === Number.POSITIVE_INFINITY) {
        this.#feedbackAt = at + (this.#options.feedbackInterval ?? 75)
      }
    }
    const { tail } = this.#options
    const deliver = tail === undefined ? arrive : (at: number) => tail.send(at, packet(size, arrive))
    this.#options.forward.send(now, packet(size, deliver))
  }

  /** Tells the estimator of a packet. Answers what its receiver does. */
  #noteNumber(now: number, size: number, probe: number | undefined): (at: number) => void {
    const sequence = this.#sequence
    this.#sequence = (sequence + 1) & 0xffff
    this.estimator.handleSent(now, sequence, size, probe)
    return (at) => this.receiver.handle(at, sequence)
  }

  #noteStream(now: number, size: number, probe: number | undefined, stream: 0 | 1 | 2): (at: number) => void {
    const sequence = this.#sequences[stream]
    this.#sequences[stream] = (sequence + 1) & 0xffff
    this.estimator.handleSentOfStream(now, stream, sequence, size, probe)
    return (at) => this.streamReceiver.handle(at, stream, sequence)
  }

  #sendFeedback(): void {
    this.#feedbackAt = Number.POSITIVE_INFINITY
    if (this.#options.standard === true) {
      const { now } = this.#simulation
      const feedback = this.streamReceiver.take(now)
      let size = OVERHEAD + 26
      for (const { arrivalOffsets } of feedback.streams) size += 8 + 4 * Math.ceil(arrivalOffsets.length / 2)
      this.#options.backward.send(
        now,
        packet(size, (at) => {
          this.estimator.handleStreamFeedback(at, feedback)
          this.#handled(at)
        }),
      )
      return
    }
    for (const feedback of this.receiver.take()) {
      const size = OVERHEAD + 24 + 2 * Math.ceil(feedback.deltas.length / 7) + feedback.deltas.length
      this.#options.backward.send(
        this.#simulation.now,
        packet(size, (at) => this.#handleFeedback(at, feedback)),
      )
    }
  }

  #handleFeedback(now: number, feedback: Feedback): void {
    this.estimator.handleFeedback(now, feedback)
    this.#handled(now)
  }

  #handled(now: number): void {
    this.record.estimated(now, this.estimator.bitrate)
    this.drain(now)
  }
}
