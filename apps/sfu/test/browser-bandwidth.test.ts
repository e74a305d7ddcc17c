import { spawnSync } from 'node:child_process'
import {
  findBrowser,
  launch,
  openPage,
  quit,
  readReceived,
  untilMet,
  waitForState,
} from '@str0m/demo-kit/browsers'
import { ShapedRelay } from '@str0m/demo-kit/shaped-relay'
import { describe, expect, it, onTestFinished } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { startServer } from '../src/server.ts'
import { type FilmEncoding, publishFilm } from './film-publisher.ts'

const ENCODINGS: readonly FilmEncoding[] = [
  { rid: 'q', width: 320, height: 180, bitrate: 150_000 },
  { rid: 'h', width: 640, height: 360, bitrate: 500_000 },
  { rid: 'f', width: 1280, height: 720, bitrate: 1_500_000 },
]

/** Bits per second that the path takes, how wide the picture is that has room there, and how long it may take to be there, ms. */
type Step = readonly [rate: number, width: number, within: number]

const STEPS: readonly Step[] = [
  [4_000_000, 1280, 20_000],
  [1_000_000, 640, 20_000],
  [300_000, 320, 20_000],
  [4_000_000, 1280, 40_000],
]

describe.skipIf(findBrowser('chromium') === undefined || !hasFfmpeg())(
  '[film] chromium watches a film of three encodings, over a path that changes',
  { timeout: 600_000 },
  () => {
    it('gets the largest that there is room for, and waits in no queue', async () => {
      const directory = scratchDirectory()
      const server = await startServer(0, directory)
      onTestFinished(() => server.close())
      onTestFinished(await publishFilm(server.port, ENCODINGS, directory))
      const relay = await ShapedRelay.start(server.udpPort, 1)
      onTestFinished(() => relay.close())
      relay.configureUp({ latency: 20 })
      relay.configureDown({ latency: 20, rate: STEPS[0]![0] })
      const browser = await launch('chromium')
      onTestFinished(() => quit(browser))
      const page = await openPage(browser, `https://localhost:${server.port}/`)
      await page.evaluate(callThrough, relay.port)
      await page.click('#watch')
      await waitForState(page, 'connected')
      const figures = () => readReceived(page, '#video')
      for (const [rate, width, within] of STEPS) {
        relay.configureDown({ rate })
        const start = performance.now()
        const then = await untilMet(figures, (now) => now.width === width, `a picture ${width} wide`, within)
        const taken = performance.now() - start
        const queues: number[] = []
        const lost = relay.down.overflow
        const now = await untilMet(
          () => {
            queues.push((8000 * relay.queuedDown) / rate)
            return figures()
          },
          ({ frames }) => frames >= then.frames + 75,
          'five seconds of it',
        )
        queues.sort((x, y) => x - y)
        const queue = queues[queues.length >> 1]!
        const said = `${rate} bit/s: ${width} wide after ${taken.toFixed(0)} ms, a queue of ${queue.toFixed(0)} ms`
        console.log(said)
        expect(now.width, `at ${said}`).toBe(width)
        expect(queue, `at ${said}`).toBeLessThan(150)
        expect(relay.down.overflow, `at ${said}`).toBe(lost)
      }
    })
  },
)

function hasFfmpeg(): boolean {
  return spawnSync('ffmpeg', ['-version']).status === 0
}

/** Makes the page call the port of a relay, on loopback, instead of what the answer says, and keep its own addresses to itself. Runs in the page. */
function callThrough(port: number): void {
  window.RTCPeerConnection = class extends RTCPeerConnection {
    override get localDescription(): RTCSessionDescription | null {
      const description = super.localDescription
      const sdp = description?.sdp.replace(/a=candidate:.*\r\n/g, '')
      return description === null
        ? null
        : new RTCSessionDescription({ type: description.type, sdp: sdp ?? '' })
    }

    override setRemoteDescription({ type, sdp = '' }: RTCSessionDescriptionInit): Promise<void> {
      const through = sdp.replace(/(a=candidate:\S+ 1 udp \d+) \S+ \d+/gi, `$1 127.0.0.1 ${port}`)
      return super.setRemoteDescription({ type, sdp: through })
    }
  }
}
