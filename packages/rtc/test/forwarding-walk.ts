import type { SeededRandom } from '@str0m/sans-io'
import { Stage, type Subscriber } from './forwarding-stage.ts'
import { pick } from './forwarding-weather.ts'
import type { LayeredCodec, Shape } from './layered-source.ts'
import type { RtcOptions } from '../src/index.ts'

const CODECS: readonly LayeredCodec[] = ['VP8', 'VP9', 'H264', 'AV1']
const CALM = {
  loss: 0,
  latency: 20,
  jitter: 0,
  duplicate: 0,
  reorder: 0,
  rate: Number.POSITIVE_INFINITY,
  queueBytes: 30_000,
}

/** A random call of two publishers and some who watch, over bad links. Answers what was wrong. */
export function walk(seed: number, log?: (text: string) => void): string[] {
  const stage = new Stage(seed)
  const { random, world } = stage
  const codecs = [pick(random, CODECS), pick(random, CODECS)]
  const shape = shapeOf(random, codecs[0]!)
  const rids = shape.spatial > 1 || random.chance(0.3) ? [] : ['f', 'h', 'q']
  const told = (): RtcOptions =>
    random.chance(0.3) ? { transportFeedback: random.chance(0.7) ? 'always' : 'rfc8888' } : {}
  const isSilent = random.chance(0.2)
  const paces = [0, 1].map((i) => ({
    rate: 1 + (random.float() - 0.5) * 4e-4,
    offset: i * 5000 + random.integer(1000),
  }))
  for (let i = 0; i < 2; i++) {
    const publisher = stage.addPublisher(1000 * seed + i, {
      rids,
      codecs,
      shape,
      rtx: random.chance(0.8),
      options: told(),
      pace: paces[i]!,
    })
    publisher.line.isSilent = isSilent
  }
  const addSubscriber = (i: number): Subscriber => {
    const estimates = random.chance(0.3)
    const subscriber = stage.addSubscriber(1000 * seed + 10 + i, `s${i}`, {
      codecs,
      rtx: random.chance(0.8),
      near: estimates ? { bandwidthEstimation: {} } : told(),
      far: { ...told(), ...(random.chance(0.4) ? { rtpMode: true } : {}) },
      offers: random.chance(0.5) ? 'near' : 'far',
    })
    subscriber.target = stage.randomTarget()
    return subscriber
  }
  const count = 1 + random.integer(3)
  for (let i = 0; i < count; i++) addSubscriber(i)
  log?.(`${JSON.stringify(shape)} rids ${rids.join()} silent ${isSilent} subscribers ${count}`)
  for (const { line } of [...stage.publishers, ...stage.subscribers]) line.configure(world.now, CALM)
  stage.connect()
  for (const subscriber of stage.subscribers) subscriber.choose()
  stage.run(2500)
  let added = count
  for (let i = 0; i < 14; i++) {
    const { now } = world
    const all = [...stage.publishers, ...stage.subscribers]
    const { line } = pick(random, all)
    const subscribers = [...stage.subscribers]
    const subscriber = pick(random, subscribers)
    const publisher = pick(random, stage.publishers)
    const encoding = pick(random, publisher.encodings)
    const events: Record<string, () => void> = {
      loss: () => line.configure(now, { loss: random.float() * 0.3 }),
      delay: () => line.configure(now, { latency: random.float() * 300, jitter: random.float() * 150 }),
      disorder: () =>
        line.configure(now, {
          reorder: random.float() * 0.3,
          reorderDelay: 20 + random.integer(100),
          duplicate: random.float() * 0.2,
        }),
      rate: () => line.configure(now, { rate: 100_000 + random.integer(400_000) }),
      calm: () => line.configure(now, CALM),
      'calm again': () => line.configure(now, CALM),
      blackout: () => line.blackout(now, now + 200 + random.integer(random.chance(0.3) ? 9000 : 1500)),
      address: () => line.rebind(),
      switch: () => {
        subscriber.target = stage.randomTarget()
        subscriber.choose()
      },
      'switch to and fro': () => {
        for (let k = 0; k < 3; k++) {
          subscriber.target = stage.randomTarget()
          subscriber.choose()
          stage.run(random.integer(300))
        }
      },
      layers: () => {
        const { video } = subscriber
        if (video === undefined) return
        video.maxTemporalLayer = random.integer(4)
        video.maxSpatialLayer = random.integer(4)
      },
      pause: () => (encoding.isPaused = !encoding.isPaused),
      restart: () => {
        // numbers are to go on between two of them
        if (!encoding.isPaused) publisher.restart(stage, encoding)
      },
      codec: () => {
        const other = codecs.find((of) => of !== publisher.shape.codec)
        if (other !== undefined) publisher.reshape(stage, shapeOf(random, other))
      },
      replace: () => publisher.replaceVideo(stage),
      none: () => {
        subscriber.video?.select(undefined)
        stage.run(random.integer(1000))
        subscriber.choose()
      },
      keyframe: () => {
        if (subscriber.video?.current !== undefined) stage.askForKeyframe(subscriber.video.current)
      },
      direction: () => {
        const media = pick(random, [...subscriber.line.near.rtc.medias])
        const isOn = media.direction.startsWith('send')
        subscriber.line.negotiate(now, pick(random, ['near'] as const), (set) =>
          set.setDirection(media.mid, isOn ? 'inactive' : 'sendonly'),
        )
      },
      ice: () => line.negotiate(now, pick(random, ['near', 'far'] as const), (set) => set.iceRestart()),
      come: () => {
        if (subscribers.length >= 3) return
        addSubscriber(added++).line.configure(now, CALM)
      },
      go: () => {
        if (subscribers.length > 1) stage.removeSubscriber(subscriber)
      },
    }
    const name = pick(random, Object.keys(events))
    log?.(`${Math.round(now)} ${name}`)
    events[name]!()
    stage.run(300 + random.integer(1200))
  }
  settle(stage)
  return stage.problems
}

function shapeOf(random: SeededRandom, codec: LayeredCodec): Shape {
  const isLayered = random.chance(0.5)
  return {
    codec,
    spatial: isLayered && (codec === 'VP9' || codec === 'AV1') ? 1 + random.integer(3) : 1,
    temporal: isLayered ? 1 + random.integer(3) : 1,
    flexible: random.chance(0.5),
    keyDependent: random.chance(0.3),
    pictureIdBits: random.chance(0.3) ? 7 : 15,
    described: (codec === 'AV1' || codec === 'H264') && (isLayered || random.chance(0.3)),
  }
}

/** The weather clears: what was selected comes. */
function settle(stage: Stage): void {
  const { world } = stage
  for (const { line } of [...stage.publishers, ...stage.subscribers]) line.configure(world.now, CALM)
  for (const publisher of stage.publishers) {
    for (const encoding of publisher.encodings) {
      encoding.isPaused = false
      encoding.source.settle()
    }
  }
  // outages that were still to come, and paths that are still sought
  stage.run(9500)
  for (const { line } of [...stage.publishers, ...stage.subscribers]) {
    if (line.near.rtc.statistics.iceState === 'failed' || line.far.rtc.statistics.iceState === 'failed')
      line.negotiate(world.now, 'near', (set) => set.iceRestart())
  }
  for (const subscriber of stage.subscribers) {
    const { near } = subscriber.line
    subscriber.line.negotiate(world.now, 'near', (set) => {
      for (const { mid, direction } of near.rtc.medias)
        if (direction === 'inactive') set.setDirection(mid, 'sendonly')
    })
    subscriber.choose()
    if (subscriber.video === undefined) continue
    subscriber.video.maxTemporalLayer = 7
    subscriber.video.maxSpatialLayer = 7
  }
  stage.run(2000)
  const before = [...stage.subscribers].map((subscriber) => ({
    subscriber,
    count: subscriber.frames?.shown ?? subscriber.packets!.count,
    audio: subscriber.audioCount,
    requests: subscriber.keyframeRequests,
    breaks: subscriber.frames?.breaks ?? 0,
  }))
  stage.run(2000)
  for (const { subscriber, count, audio, requests, breaks } of before) {
    const { name, frames, packets, video } = subscriber
    const report = (problem: string): void => stage.report(`${name}: ${problem}`)
    const got = (frames?.shown ?? packets!.count) - count
    // an estimate that has fallen climbs for a while, and what is sent here does not yield to it
    if (got < (subscriber.line.near.rtc.statistics.bandwidth === undefined ? 36 : 12))
      report(`${got} frames in the last two seconds, needs a keyframe: ${video?.needsKeyframe}`)
    if (subscriber.audioCount - audio < 30)
      report(`${subscriber.audioCount - audio} sounds in the last two seconds`)
    if (subscriber.keyframeRequests > requests) report('still asks for keyframes')
    if ((frames?.breaks ?? 0) > breaks) report('still loses frames')
    const last = frames?.last ?? packets?.last
    if (last !== undefined) {
      const { publisher, rid } = subscriber.target!
      const encoding = publisher.encodings.find((of) => of.rid === rid)!
      if (encoding.source.index !== last.source)
        report(`shows source ${last.source}, not ${encoding.source.index}`)
    }
    const { audioLate } = subscriber
    const late = frames?.late
    for (const [what, value] of [
      ['picture', late],
      ['sound', audioLate],
    ] as const) {
      if (what === 'picture' && frames === undefined) continue
      if (value === undefined || Math.abs(value) > 50)
        report(`the ${what} is said to be captured ${value} ms late`)
    }
  }
  for (const publisher of stage.publishers) {
    // one in 300 ms is answered
    if (publisher.keyframesAsked > (publisher.encodings.length * world.now) / 400)
      stage.report(`publisher ${publisher.index} was asked for ${publisher.keyframesAsked} keyframes`)
  }
  for (const { packets } of stage.subscribers) packets?.finish()
}
