import { findBrowser, openPage, untilMet } from '@str0m/demo-kit/browsers'
import type { ChangeSet } from '@str0m/rtc'
import { describe, expect, it, onTestFinished } from 'vitest'
import { BrowserStage } from './browser-stage.ts'
import { CallingPeer } from './calling-peer.ts'
import { fetchFrom } from './https-client.ts'
import { startTestServer, type TestServer, until } from './test-server.ts'

// draft-ietf-wish-whep: one who watches the latest call

/** Ms between the frames that a test sends. */
const STEP = 20

async function start(): Promise<TestServer> {
  const server = await startTestServer({ whep: true })
  onTestFinished(() => server.close())
  return server
}

/** Offers to the server. Answers the peer, where the answer was good, and what came back. */
async function call(server: TestServer, path: string, what: (change: ChangeSet) => unknown) {
  const peer = await CallingPeer.start()
  onTestFinished(() => peer.close())
  const { sdp } = peer.do((rtc) => {
    const change = rtc.createOffer()
    what(change)
    return change.apply()
  })
  const response = await fetchFrom(server.port, path, { method: 'POST', body: sdp, type: 'application/sdp' })
  if (response.status === 201) {
    peer.do((rtc) => rtc.pendingChanges()!.acceptAnswer({ type: 'answer', sdp: response.text }))
  }
  return { peer, response }
}

const both = (direction: 'sendonly' | 'recvonly') => (change: ChangeSet) => {
  change.addMedia('audio', direction)
  change.addMedia('video', direction)
}

/** Sends sounds, and pictures that say which they are; a keyframe where one is asked for, and at first. */
function publish(peer: CallingPeer): void {
  let wanted = 0
  let count = 0
  const timer = setInterval(() => {
    if (!peer.rtc.connected) return
    count++
    const asked = peer.count('keyframeRequest') + 1
    const keyframe = asked > wanted
    wanted = asked
    const write = (mid: string, codec: string, clockRate: number, data: Uint8Array): void => {
      peer.do((rtc) => {
        const media = rtc.media(mid)!
        const { pt } = media.codecs.find(({ name }) => name === codec)!
        media.writer(pt).write({ value: (count * STEP * clockRate) / 1000, clockRate }, data, { keyframe })
      })
    }
    write('0', 'opus', 48_000, Uint8Array.of(0xf8, 0xff, 0xfe))
    write('1', 'VP8', 90_000, Uint8Array.of(keyframe ? 0x10 : 0x11, count & 0xff, count >> 8))
  }, STEP)
  onTestFinished(() => clearInterval(timer))
}

describe('one who watches', () => {
  it('gets what the latest call sends, from a keyframe on, until it ends', async () => {
    const server = await start()
    const other = await call(server, '/whip', both('sendonly'))
    publish(other.peer)
    const { peer, response } = await call(server, '/whip', both('sendonly'))
    publish(peer)
    await until(() => server.frames.some((frame) => frame.peer === 2), 'frames of the second')
    const first = await call(server, '/whep', both('recvonly'))
    expect(first.response.status).toBe(201)
    expect(first.response.text.match(/^a=(sendrecv|sendonly|recvonly|inactive)$/gm)).toEqual([
      'a=sendonly',
      'a=sendonly',
    ])
    expect(first.response.headers['etag']).toMatch(/^"[\w+/]{4,}"$/)
    await until(
      () => first.peer.framesOf('0').length > 20 && first.peer.framesOf('1').length > 20,
      'sound and pictures',
    )
    const second = await call(server, '/whep', both('recvonly'))
    await until(() => second.peer.framesOf('1').length > 20, 'pictures')

    for (const { peer: viewer } of [first, second]) {
      const pictures = viewer.framesOf('1')
      expect(pictures[0]!.keyframe).toBe(true)
      expect(pictures.every(({ contiguous }) => contiguous)).toBe(true)
      // one after the other, as they were sent, and none of the other call's
      const numbers = pictures.map(({ data }) => data[1]! + 256 * data[2]!)
      expect(numbers).toEqual(numbers.map((_, i) => numbers[0]! + i))
      const sent = server.frames.filter((frame) => frame.peer === 2).map(({ frame }) => frame.data.join())
      expect(sent).toEqual(expect.arrayContaining(pictures.map(({ data }) => data.join())))
    }
    // the second one came later, and asked for one of its own
    expect(peer.count('keyframeRequest')).toBeGreaterThan(0)

    // its decoder is stuck: who sends can help
    const before = peer.count('keyframeRequest')
    await new Promise((resolve) => {
      setTimeout(resolve, 600)
    })
    first.peer.do((rtc) => rtc.media('1')!.requestKeyframe())
    await until(() => peer.count('keyframeRequest') > before, 'that it is passed on')

    // who watches may go, and the others stay
    const end = (location: unknown) => fetchFrom(server.port, String(location), { method: 'DELETE' })
    expect((await end(second.response.headers['location'])).status).toBe(200)
    await until(() => server.calls.size === 3, 'that it is gone')
    const count = first.peer.framesOf('1').length
    await until(() => first.peer.framesOf('1').length > count + 20, 'more pictures')
    expect((await end(response.headers['location'])).status).toBe(200)
    await until(() => first.peer.rtc.closed, 'the end for those who watch')
    await until(() => server.calls.size === 1, 'that only the first call is left')
  })

  it('finds nothing where nobody sends: who watches is not watched', async () => {
    const server = await start()
    const { response } = await call(server, '/whep', both('recvonly'))
    expect(response.status).toBe(409)
    expect(Number(response.headers['retry-after'])).toBeGreaterThan(0)
    await call(server, '/whip', both('sendonly'))
    expect((await call(server, '/whep', both('recvonly'))).response.status).toBe(201)
    expect((await call(server, '/whep', both('recvonly'))).response.status).toBe(201)
    expect(server.calls.size).toBe(3)
  })

  it('is refused where the server was not told to let calls be watched', async () => {
    const server = await startTestServer()
    onTestFinished(() => server.close())
    await call(server, '/whip', both('sendonly'))
    const { response } = await call(server, '/whep', both('recvonly'))
    expect(response.status).toBe(404)
    expect(JSON.parse(response.text)).toMatchObject({ error: expect.stringContaining('--whep') })
    expect((await fetchFrom(server.port, '/whep')).status).toBe(404)
    expect(server.calls.size).toBe(1)
  })

  it('is to receive', async () => {
    const server = await start()
    await call(server, '/whip', both('sendonly'))
    const { response } = await call(server, '/whep', both('sendonly'))
    expect(response.status).toBe(422)
    expect(JSON.parse(response.text)).toMatchObject({ code: 'wrong-direction' })
    expect(
      (await call(server, '/whep', (change) => change.addMedia('audio', 'sendrecv'))).response.text,
    ).toContain('a=sendonly')
  })

  it('of sound alone gets the sound alone', async () => {
    const server = await start()
    const { peer } = await call(server, '/whip', both('sendonly'))
    publish(peer)
    const viewer = await call(server, '/whep', (change) => change.addMedia('audio', 'recvonly'))
    await until(() => viewer.peer.framesOf('0').length > 20, 'sounds')
    expect(new Set(viewer.peer.frames.map(({ codec }) => codec.kind))).toEqual(new Set(['audio']))
  })
})

for (const name of ['chromium', 'firefox'] as const) {
  describe.skipIf(findBrowser(name) === undefined)(`[browser] ${name} watches`, { timeout: 300_000 }, () => {
    it('what a browser sends, by WHIP and WHEP', async () => {
      const { server, browser } = await BrowserStage.forTest(name, {}, { whep: true })
      const sender = await openPage(browser, server.address)
      await sender.evaluate(publishCamera)
      await until(() => server.frames.length > 20, 'frames of the sender')
      const viewer = await openPage(browser, server.address)
      await viewer.evaluate(watch)
      await untilMet(
        () =>
          viewer.evaluate(async () => {
            const entries = await window.kit.statistics(window.connection, 'inbound-rtp')
            const of = (kind: string) => entries.find((entry) => entry['kind'] === kind)
            return {
              frames: Number(of('video')?.['framesDecoded'] ?? 0),
              width: Number(of('video')?.['frameWidth'] ?? 0),
              sounds: Number(of('audio')?.['packetsReceived'] ?? 0),
            }
          }),
        ({ frames, width, sounds }) => frames >= 60 && width > 0 && sounds >= 100,
        'two seconds of the sender',
      )
    })
  })
}

// What follows runs in the page.

async function publishCamera(): Promise<void> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true })
  const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' })
  for (const track of stream.getTracks())
    peer.addTransceiver(track, { direction: 'sendonly', streams: [stream] })
  const { sdp } = await window.kit.describe(peer)
  const headers = { 'Content-Type': 'application/sdp' }
  const response = await fetch('/whip', { method: 'POST', headers, body: sdp })
  await peer.setRemoteDescription({ type: 'answer', sdp: await response.text() })
}

async function watch(): Promise<void> {
  const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' })
  peer.addEventListener('track', ({ track }) => window.kit.play(track))
  for (const kind of ['audio', 'video']) peer.addTransceiver(kind, { direction: 'recvonly' })
  const { sdp } = await window.kit.describe(peer)
  const headers = { 'Content-Type': 'application/sdp' }
  const response = await fetch('/whep', { method: 'POST', headers, body: sdp })
  await peer.setRemoteDescription({ type: 'answer', sdp: await response.text() })
}
