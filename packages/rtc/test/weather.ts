import type { LinkOptions } from '@str0m/netem'
import { SeededRandom } from '@str0m/sans-io'
import type { ChangeSet, Media, Rtc, RtcOptions } from '../src/index.ts'
import { negotiatedPair } from './harness.ts'

const FRAME_INTERVAL = 40
const CLEAR: LinkOptions = { latency: 20, jitter: 0, loss: 0, duplicate: 0, reorder: 0, rate: Infinity }
const MAX_SECTIONS = 6
const DIRECTIONS = ['sendrecv', 'sendonly', 'recvonly', 'inactive'] as const

/** What one side has sent, and what it has got of the other. */
interface Side {
  readonly name: 'a' | 'b'
  readonly rtc: Rtc
  /** Frames by their section and number. */
  readonly sent: Map<string, Uint8Array>
  readonly newest: Map<string, number>
  readonly messages: string[]
  readonly wantsKeyframe: Set<string>
  readonly gotMessages: string[]
  /** Frames that came. */
  frames: number
  /** Events that were looked at. */
  seen: number
}

/**
 * A call with media and messages both ways, over links whose weather changes, while both sides renegotiate at random. All that is drawn comes from the
 * seed. `faults` is what a user would complain of.
 */
export class WeatheredCall {
  readonly faults: string[] = []
  readonly #random: SeededRandom
  readonly #pair: ReturnType<typeof negotiatedPair>['pair']
  readonly #sides: readonly [Side, Side]
  #frame = 0

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
    const { a, b, pair } = negotiatedPair({
      seed,
      link: CLEAR,
      a: this.#options(),
      b: this.#options(),
      change: (change) => {
        change.addMedia('audio')
        change.addMedia('video')
        change.addChannel('chat')
      },
    })
    this.#pair = pair
    this.#sides = [sideOf('a', a), sideOf('b', b)]
  }

  /** Lets it call for a while, under `changes` of the weather or of the session. */
  run(changes: number): void {
    this.#call(2000)
    for (let i = 0; i < changes; i++) {
      this.#change()
      this.#call(500 + this.#random.integer(5000))
    }
  }

  /** Once the weather has cleared, everything has to flow. */
  settle(): void {
    this.#configure(CLEAR)
    this.#call(12_000)
    if (this.#sides.some(({ rtc }) => rtc.statistics.iceState !== 'connected' && !isDone(rtc))) {
      this.#negotiate(0, (change) => change.iceRestart())
      this.#call(5000)
    }
    // each ends its own holds
    this.#sides.forEach(({ rtc }, by) => {
      this.#negotiate(by, (change) => {
        for (const { mid } of standing(rtc)) change.setDirection(mid, 'sendrecv')
      })
    })
    this.#call(3000)
    const before = this.#sides.map(({ frames }) => frames)
    this.#call(2000)
    this.#sides.forEach((side, i) => {
      const came = side.frames - before[i]!
      const due = standing(side.rtc).length * (2000 / FRAME_INTERVAL)
      if (came < due - 10) this.faults.push(`${side.name} got ${came} frames of ${due} in clear weather`)
      const other = this.#sides[1 - i]!
      if (side.gotMessages.join() !== other.messages.join()) {
        this.faults.push(`${side.name} got ${side.gotMessages.length} of ${other.messages.length} messages`)
      }
    })
  }

  #options(): RtcOptions {
    const feedback = this.#pick(['simulcast', 'always', 'rfc8888'] as const)
    return {
      transportFeedback: feedback,
      dtlsVersions: this.#pick([['DTLS 1.2'], ['DTLS 1.2', 'DTLS 1.3']] as const),
      ...(this.#random.chance(0.5) ? { bandwidthEstimation: {} } : {}),
    }
  }

  #change(): void {
    const by = this.#random.integer(2)
    switch (this.#random.integer(9)) {
      case 0:
        return this.#configure({ loss: 0.3 * this.#random.float() })
      case 1:
        return this.#configure({ latency: 400 * this.#random.float(), jitter: 150 * this.#random.float() })
      case 2:
        return this.#configure({ duplicate: 0.2 * this.#random.float(), reorder: 0.1, reorderDelay: 100 })
      case 3:
        return this.#configure({ rate: 1_500_000 + 3_000_000 * this.#random.float() })
      case 4:
        this.#configure({ loss: 1 })
        this.#call(this.#random.integer(this.#random.chance(0.2) ? 60_000 : 15_000))
        return this.#configure(CLEAR)
      case 5:
        return this.#negotiate(by, (change) => change.iceRestart())
      case 6:
        return this.#negotiate(by, (change) => this.#changeSections(this.#sides[by]!.rtc, change))
      case 7:
        return this.#glare()
      default:
        return this.#configure(CLEAR)
    }
  }

  #changeSections(rtc: Rtc, change: ChangeSet): void {
    const sections = standing(rtc)
    if (this.#random.chance(0.4) && rtc.medias.length < MAX_SECTIONS) {
      change.addMedia(this.#pick(['audio', 'video'] as const), this.#pick(DIRECTIONS))
    } else if (this.#random.chance(0.3) && sections.length > 2) {
      change.stopMedia(sections.at(-1)!.mid)
    } else {
      change.setDirection(this.#pick(sections).mid, this.#pick(DIRECTIONS))
    }
  }

  /** Both offer; b gives way. */
  #glare(): void {
    const [a, b] = this.#sides
    const [offer] = [a, b].map(({ rtc }) => {
      const change = rtc.createOffer()
      this.#changeSections(rtc, change)
      return change.apply()
    })
    b.rtc.pendingChanges()!.rollback()
    a.rtc.pendingChanges()!.acceptAnswer(b.rtc.acceptOffer(offer!))
  }

  #negotiate(by: number, make: (change: ChangeSet) => unknown): void {
    const offerer = this.#sides[by]!.rtc
    const change = offerer.createOffer()
    make(change)
    const answer = this.#sides[1 - by]!.rtc.acceptOffer(change.apply())
    offerer.pendingChanges()!.acceptAnswer(answer)
  }

  #configure(link: LinkOptions): void {
    for (const way of [this.#pair.aToB, this.#pair.bToA]) way.configure(this.#pair.now, link)
  }

  /** Sends for so many ms. */
  #call(duration: number): void {
    for (const end = this.#pair.now + duration; this.#pair.now < end;) {
      for (const side of this.#sides) {
        for (const media of side.rtc.medias) this.#send(side, media)
        const [channel] = side.rtc.channels
        if (channel?.state === 'open' && this.#random.chance(0.2)) {
          const message = `${side.messages.length} ${'-'.repeat(this.#random.integer(3000))}`
          if (channel.write(message)) side.messages.push(message)
        }
      }
      this.#pair.runFor(FRAME_INTERVAL)
      for (const side of this.#sides) this.#take(side)
    }
  }

  #send(side: Side, media: Media): void {
    const isVideo = media.kind === 'video'
    const codec = media.codecs.find(({ name }) => name === (isVideo ? 'VP8' : 'opus'))
    if (media.stopped || codec === undefined || !media.direction.startsWith('send')) return
    const number = this.#frame++
    const keyframe = number < 100 || side.wantsKeyframe.delete(media.mid) || this.#random.chance(0.01)
    const data = new Uint8Array(isVideo ? (keyframe ? 6000 : 300 + this.#random.integer(2500)) : 80)
    this.#random.fill(data)
    data[0] = keyframe ? 0x10 : 0x11
    new DataView(data.buffer, data.byteOffset).setUint32(4, number)
    side.sent.set(`${media.mid} ${number}`, data)
    const value = Math.round((this.#pair.now * codec.clockRate) / 1000)
    media.writer(codec.pt).write({ value, clockRate: codec.clockRate }, data, { keyframe })
  }

  #take(side: Side): void {
    const { events } = this.#pair[side.name]
    const other = this.#sides.find((known) => known !== side)!
    for (; side.seen < events.length; side.seen++) {
      const { event } = events[side.seen]!
      if (event.type === 'keyframeRequest') side.wantsKeyframe.add(event.mid)
      else if (event.type === 'channelData') side.gotMessages.push(String(event.data))
      else if (event.type === 'channelClose' || event.type === 'closed')
        this.faults.push(`${side.name}: ${event.type}`)
      else if (event.type === 'mediaData') {
        const { mid, data } = event
        side.frames++
        const number = new DataView(data.buffer, data.byteOffset).getUint32(4)
        const sent = other.sent.get(`${mid} ${number}`)
        if (sent === undefined || Buffer.compare(sent, data) !== 0) {
          this.faults.push(`${side.name} got a frame in "${mid}" that was not sent`)
        }
        if (number <= (side.newest.get(mid) ?? -1)) {
          this.faults.push(`${side.name} got frame ${number} in "${mid}" after ${side.newest.get(mid)}`)
        }
        side.newest.set(mid, number)
      }
    }
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#random.integer(values.length)]!
  }
}

function sideOf(name: 'a' | 'b', rtc: Rtc): Side {
  return {
    name,
    rtc,
    sent: new Map(),
    newest: new Map(),
    messages: [],
    wantsKeyframe: new Set(),
    gotMessages: [],
    frames: 0,
    seen: 0,
  }
}

function standing(rtc: Rtc): Media[] {
  return rtc.medias.filter(({ stopped }) => !stopped)
}

function isDone(rtc: Rtc): boolean {
  return rtc.statistics.iceState === 'completed'
}
