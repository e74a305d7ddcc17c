import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { CallingPeer } from './calling-peer.ts'
import { type FilmFrame, readIvf } from '@str0m/demo-kit/film'
import { expectSteady, makeFilm } from './foreign-peers.ts'
import type { ChangeSet } from '@str0m/rtc'
import { hasJanus, Janus, type JanusHandle } from './janus.ts'
import { until } from './test-server.ts'

describe.skipIf(!hasJanus())('[janus] Janus', { timeout: 120_000 }, () => {
  let film: FilmFrame[]
  let janus: Janus
  const peers: CallingPeer[] = []

  beforeAll(() => {
    film = readIvf(makeFilm(scratchDirectory()).VP8)
  })
  beforeEach(async () => {
    janus = await Janus.start()
  })
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') console.error(janus.lines.slice(-40).join('\n'))
    for (const peer of peers.splice(0)) peer.close()
    await janus.stop()
  })

  async function startPeer(options: Parameters<typeof CallingPeer.start>[0] = {}): Promise<CallingPeer> {
    const peer = await CallingPeer.start(options)
    peers.push(peer)
    return peer
  }

  /** Offers what `change` has, and takes the answer of the plugin. */
  async function offer(peer: CallingPeer, handle: JanusHandle, body: object): Promise<void> {
    const { jsep } = await handle.message(body, peer.rtc.pendingChanges()!.offer)
    expect(jsep?.type).toBe('answer')
    peer.do((rtc) => rtc.pendingChanges()!.acceptAnswer({ type: 'answer', sdp: jsep!.sdp }))
  }

  it('echoes media and messages, and hangs up', async () => {
    const peer = await startPeer()
    const handle = await janus.attach('echotest')
    const [audio, video, channel] = peer.do((rtc) => {
      const change = rtc.createOffer()
      const ids = [change.addMedia('audio'), change.addMedia('video'), change.addChannel('ours')] as const
      change.apply()
      return ids
    })
    await offer(peer, handle, { audio: true, video: true, data: true })
    peer.playAudio(audio)
    peer.playVideo(video, film)
    await until(() => peer.find('channelOpen') !== undefined, 'the channel')
    peer.write(channel, 'hello')
    peer.write(channel, new Uint8Array(60_000).fill(7))
    await until(() => peer.framesOf(audio).length > 200 && peer.framesOf(video).length > 120, 'four seconds')
    peer.pause()
    await until(() => allBack(peer), 'all that was sent')
    expectSteady(peer.framesOf(audio), 200, 0.02)
    expectSteady(peer.framesOf(video), 120, 1 / 30)
    expect(peer.framesOf(video)[0]!.data).toEqual(film[0]!.data)
    expect(peer.messages.map(({ data }) => data)).toEqual([
      'Janus EchoTest here! You wrote: hello',
      new Uint8Array(60_000).fill(7),
    ])
    await handle.hangup()
    await until(() => peer.find('closed') !== undefined, 'its goodbye')
    expect(peer.find('closed')).toMatchObject({ reason: 'remote' })
  })

  it('restarts ICE when we do, and hears our goodbye', async () => {
    const peer = await startPeer()
    const handle = await janus.attach('echotest')
    const audio = peer.do((rtc) => {
      const change = rtc.createOffer()
      const mid = change.addMedia('audio')
      change.apply()
      return mid
    })
    await offer(peer, handle, { audio: true })
    peer.playAudio(audio)
    await until(() => peer.framesOf(audio).length > 50, 'a second of sound')
    peer.do((rtc) => rtc.createOffer().iceRestart().apply())
    await offer(peer, handle, { audio: true })
    await until(() => peer.count('iceConnectionStateChange', { state: 'completed' }) === 2, 'a new way')
    const before = peer.framesOf(audio).length
    await until(() => peer.framesOf(audio).length > before + 50, 'another second of sound')
    peer.do((rtc) => rtc.close())
    await until(() => handle.events.some((event) => event.janus === 'hangup'), 'its end')
    expect(handle.events.find((event) => event.janus === 'hangup')).toMatchObject({ reason: 'DTLS alert' })
  })

  describe('a room', () => {
    const ROOM = 7

    beforeEach(async () => {
      const handle = await janus.attach('videoroom')
      const room = { room: ROOM, publishers: 4, videocodec: 'vp8', bitrate: 4_000_000 }
      await handle.message({ request: 'create', ...room })
    })

    /** One of ours in the room, connected. `feed`: what others call it. */
    async function publish(describe: (change: ChangeSet) => void) {
      const handle = await janus.attach('videoroom')
      const joined = await handle.message({ request: 'join', ptype: 'publisher', room: ROOM })
      const peer = await startPeer()
      peer.do((rtc) => {
        const change = rtc.createOffer()
        describe(change)
        change.apply()
      })
      await offer(peer, handle, { request: 'publish' })
      await until(() => peer.rtc.connected, 'the connection')
      return { peer, handle, feed: Number(joined.plugindata!.data['id']) }
    }

    /** Answers the offer that a request is answered with. */
    async function take(peer: CallingPeer, handle: JanusHandle, request: object): Promise<void> {
      const { jsep } = await handle.message(request)
      expect(jsep?.type).toBe('offer')
      const answer = peer.do((rtc) => rtc.acceptOffer({ type: 'offer', sdp: jsep!.sdp }))
      const started = await handle.message({ request: 'start' }, answer)
      expect(started.plugindata!.data).toMatchObject({ started: 'ok' })
    }

    async function subscribe(feed: number) {
      const handle = await janus.attach('videoroom')
      const peer = await startPeer()
      await take(peer, handle, { request: 'join', ptype: 'subscriber', room: ROOM, streams: [{ feed }] })
      return { peer, handle }
    }

    it('brings media, what was lost on the way to us, and keyframes that we ask for', async () => {
      const { peer: publisher, feed } = await publish((change) => {
        change.addMedia('audio', 'sendonly')
        change.addMedia('video', 'sendonly')
      })
      publisher.playAudio('0')
      publisher.playVideo('1', film)
      const { peer: subscriber } = await subscribe(feed)
      await until(() => subscriber.framesOf('1').length > 10, 'the first pictures')
      const { pt } = subscriber.rtc.media('1')!.codecs[0]!
      subscriber.loseOneIn(10, pt)
      const video = () => subscriber.rtc.statistics.inbound.find(({ mid }) => mid === '1')
      const again = (): number => video()?.retransmittedPacketsReceived ?? 0
      // it keeps nothing to be sent again before it has read a report on the stream
      await until(() => again() > 0, 'the first packet that is sent again')
      // behind those that still wait for an older one
      const from = subscriber.framesOf('1').length + 45
      await until(() => subscriber.framesOf('1').length > from + 90, 'three seconds of pictures')
      expectSteady(subscriber.framesOf('1').slice(from), 90, 1 / 30)
      expect(again()).toBeGreaterThan(8)
      expect(subscriber.framesOf('0').length).toBeGreaterThan(150)
      for (const mid of ['0', '1']) expect(subscriber.framesOf(mid).at(-1)!.captureTime).toBeDefined()

      const asked = (): number => publisher.count('keyframeRequest', { mid: '1' })
      const before = asked()
      expect(subscriber.do((rtc) => rtc.media('1')!.requestKeyframe())).toBe(true)
      await until(() => asked() > before, 'the request')
    })

    it('brings one of three encodings, as we choose, beside what was there before, and restarts ICE', async () => {
      const first = await publish((change) => change.addMedia('audio', 'sendonly'))
      first.peer.playAudio('0')
      const { peer: subscriber, handle } = await subscribe(first.feed)
      const rids = ['q', 'h', 'f']
      const second = await publish((change) =>
        change.addMedia('video', 'sendonly', { encodings: rids.map((rid) => ({ rid })) }),
      )
      for (const rid of rids) second.peer.playVideo('0', film, rid)
      await take(subscriber, handle, { request: 'subscribe', streams: [{ feed: second.feed }] })
      const { mid } = subscriber.find('mediaAdded', { kind: 'video' })!
      for (const substream of [2, 0, 1]) {
        await handle.message({ request: 'configure', streams: [{ mid, substream }] })
        const before = subscriber.framesOf(mid).length
        await until(() => subscriber.framesOf(mid).length > before + 30, `a second of encoding ${substream}`)
      }
      expect(subscriber.framesOf(mid).every(({ contiguous }) => contiguous)).toBe(true)

      await take(subscriber, handle, { request: 'configure', restart: true })
      const completed = (): number => subscriber.count('iceConnectionStateChange', { state: 'completed' })
      await until(() => completed() === 2, 'a new way')
      for (const each of ['0', mid]) {
        const before = subscriber.framesOf(each).length
        await until(() => subscriber.framesOf(each).length > before + 30, 'media on the new way')
      }

      await take(subscriber, handle, { request: 'unsubscribe', streams: [{ feed: first.feed }] })
      expect(subscriber.rtc.media('0')!.direction).toBe('inactive')
      expect(subscriber.rtc.media(mid)!.direction).toBe('recvonly')
    })
  })
})

/** Whether what was sent has come back. */
function allBack(peer: CallingPeer): boolean {
  return [...peer.sent].every(([mid, count]) => peer.framesOf(mid).length === count)
}
