import { type BrowserName, findBrowser, openPage, PATIENCE } from '@str0m/demo-kit/browsers'
import { describe, expect, it } from 'vitest'
import { BrowserStage } from './browser-stage.ts'
import { until } from './test-server.ts'

/** How much of the echo is heard, in seconds. */
const WATCH = 2
const KEYS = '1*#D'

/** What is asked for, and what the server is to see of it. A frame of the codec lasts `step` of its clock's ticks. */
const CODECS: Record<BrowserName, readonly (readonly [asked: string, name: string, step: number])[]> = {
  chromium: [
    ['red', 'opus', 960],
    ['G722', 'G722', 160],
    ['PCMU', 'PCMU', 160],
    ['PCMA', 'PCMA', 160],
  ],
  firefox: [
    ['G722', 'G722', 160],
    ['PCMU', 'PCMU', 160],
    ['PCMA', 'PCMA', 160],
  ],
}

interface Heard {
  /** Seconds of sound that came back, and of them those that stood in for what did not come. */
  readonly seconds: number
  readonly concealed: number
  /** Where the call can be ended. */
  readonly resource: string
}

for (const name of ['chromium', 'firefox'] as const) {
  describe.skipIf(findBrowser(name) === undefined)(`[browser] ${name}, audio`, { timeout: 300_000 }, () => {
    const stage = BrowserStage.forGroup(name)

    it.each(CODECS[name])(
      '%s goes both ways, with its levels, and keys that are pressed',
      async (asked, codec, step) => {
        const from = stage.server.frames.length
        const said = stage.server.lines.length
        const page = await openPage(stage.browser, stage.server.address)
        const { seconds, concealed, resource } = await page.evaluate(
          callWithKeys,
          asked,
          KEYS,
          WATCH,
          PATIENCE,
        )
        const keys = (): string[] =>
          stage.server.lines
            .slice(said)
            .flatMap(
              (line) =>
                /TelephoneEvent \{ mid: Mid\(0\), key: (.), duration: \d+ ms \}$/.exec(line)?.[1] ?? [],
            )
        await until(() => keys().length >= KEYS.length, 'all keys')
        expect(keys().join('')).toBe(KEYS)
        await page.evaluate((call) => window.kit.hangUp(call, window.connection!), resource)
        await page.close()
        expect(seconds).toBeGreaterThanOrEqual(WATCH)
        // at the start there is nothing to play yet
        expect(concealed).toBeLessThan(0.3 * seconds)
        const frames = stage.server.frames.slice(from).map(({ frame }) => frame)
        // in silence Chromium sends comfort noise beside what has no such thing of its own
        const names = new Set(frames.map((frame) => frame.codec.name))
        expect([...names].filter((each) => each !== 'CN')).toEqual([codec])
        expect(frames.every(({ contiguous }) => contiguous)).toBe(true)
        expect(frames.every(({ extensions }) => extensions.audioLevel !== undefined)).toBe(true)
        const steps = frames.slice(1).map((frame, i) => frame.time.value - frames[i]!.time.value)
        expect(steps.filter((each) => each === step).length).toBeGreaterThan(0.5 * steps.length)
        expect(steps.every((each) => each > 0 && each % step === 0)).toBe(true)
      },
    )
  })
}

// What follows runs in the page.

/** Hears its echo for some seconds, presses the keys, and goes on. `patience`: how long it waits for all of it, ms. */
async function callWithKeys(codec: string, keys: string, watch: number, patience: number): Promise<Heard> {
  const { kit } = window
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true })
  const peer = new RTCPeerConnection()
  const transceiver = peer.addTransceiver(stream.getAudioTracks()[0]!)
  const { codecs } = RTCRtpReceiver.getCapabilities('audio')!
  const isAsked = ({ mimeType }: { mimeType: string }) => mimeType === `audio/${codec}`
  transceiver.setCodecPreferences([...codecs.filter(isAsked), ...codecs.filter((other) => !isAsked(other))])
  peer.addEventListener('track', ({ track }) => kit.play(track))
  const resource = await kit.call(peer, '/?echo')
  let heard: Heard = { seconds: 0, concealed: 0, resource }
  const end = performance.now() + patience
  while (performance.now() < end && heard.seconds < watch) {
    await kit.sleep(100)
    const report = (await peer.getStats()) as unknown as Map<string, Record<string, unknown>>
    for (const entry of report.values()) {
      if (entry['type'] !== 'inbound-rtp') continue
      const clockRate = Number(report.get(String(entry['codecId']))?.['clockRate'] ?? 48_000)
      // G.722 is sampled at twice the rate of its clock, RFC 3551 section 4.5.2
      const rate = codec === 'G722' ? 2 * clockRate : clockRate
      const seconds = Number(entry['totalSamplesReceived'] ?? 0) / rate
      heard = { seconds, concealed: Number(entry['concealedSamples'] ?? 0) / rate, resource }
    }
  }
  transceiver.sender.dtmf!.insertDTMF(keys, 100, 70)
  return heard
}
