import { call, findBrowser, openPage, PATIENCE, untilMet, waitForState } from '@str0m/demo-kit/browsers'
import type { Page } from 'puppeteer-core'
import { describe, expect, it } from 'vitest'
import { BrowserStage } from './browser-stage.ts'
import { OfferingPeer } from './offering-peer.ts'
import { until } from './test-server.ts'

/** What is echoed in one go, in bytes, and in messages of how many. */
const BULK = 200_000_000
const BULK_MESSAGE = 64_000
/** In how many parts it is waited for. */
const BULK_STEPS = 20
const TIMEOUT = (BULK_STEPS + 5) * PATIENCE

for (const name of ['chromium', 'firefox'] as const) {
  describe.skipIf(findBrowser(name) === undefined)(`[browser] ${name}, data`, { timeout: TIMEOUT }, () => {
    const stage = BrowserStage.forGroup(name)

    it('Data button: text and bytes are printed, and come back with echo', async () => {
      const page = await call(stage.browser, stage.server.address, ['echo', 'data'])
      await waitForState(page, 'connected')
      await say(page, 'grüße 👋', '#send')
      await say(page, 'bytes', '#send-bytes')
      const lines = await messages(page, 4)
      expect(lines.filter((line) => line.startsWith('here'))).toEqual([
        'here text from here: grüße 👋',
        'here binary from here: 5 bytes 62 79 74 65 73',
      ])
      expect(lines.filter((line) => line.startsWith('server'))).toEqual([
        'server text from the server: grüße 👋',
        'server binary from the server: 5 bytes 62 79 74 65 73',
      ])
      await page.close()
      const printed = stage.server.lines.filter((line) => line.includes('ChannelData'))
      expect(printed[0]).toContain('binary: false, len: 12, text: "grüße 👋" }')
      expect(printed[1]).toContain('binary: true, len: 5 }')
    })

    it('Data button: the server speaks too, and media goes beside it', async () => {
      const page = await call(stage.browser, stage.server.address, ['cam', 'mic', 'data'])
      await waitForState(page, 'connected')
      const [greeting] = await messages(page, 1)
      expect(greeting).toMatch(/^server text from the server: Hello, peer \d+$/)
      await say(page, 'hello', '#send')
      const from = stage.server.frames.length
      await until(() => stage.server.frames.length > from + 50, 'frames beside the messages')
      expect(stage.server.lines.some((line) => line.endsWith('len: 5, text: "hello" }'))).toBe(true)
      await page.close()
    })

    it('messages of 1 byte to 256 KiB come back whole, ordered and not', async () => {
      const page = await connectedPage(stage)
      const sizes = [1, 2, 1000, 1160, 1172, 16_384, 65_535, 65_536, 100_000, 262_143, 262_144]
      for (const options of [
        {},
        { ordered: false },
        { maxRetransmits: 0 },
        { ordered: false, maxPacketLifeTime: 3000 },
      ]) {
        const { came, damaged } = await page.evaluate(echoSizes, options, sizes)
        const of = JSON.stringify(options)
        expect(damaged, `of a channel with ${of}`).toBe(0)
        // a large burst may lose a packet, even here, and then its message is lost where none is sent again
        if (!('maxRetransmits' in options)) expect(came, `of a channel with ${of}`).toEqual(sizes)
        else {
          const surely = sizes.filter((size) => size <= 16_384)
          expect(came, `of a channel with ${of}`).toEqual(expect.arrayContaining(surely))
          expect(new Set(came).size, `of a channel with ${of}`).toBe(came.length)
        }
      }
      await page.close()
    })

    it('fifty channels at once keep their messages apart', async () => {
      const page = await connectedPage(stage)
      expect(await page.evaluate(manyChannels, 50)).toBe(50)
      await page.close()
    })

    it('opened and closed 500 times', async () => {
      const page = await connectedPage(stage)
      expect(await page.evaluate(openAndClose, 500)).toBe(500)
      await page.close()
    })

    it('200 MB are echoed, and the hash agrees', async () => {
      const page = await connectedPage(stage)
      const started = performance.now()
      await page.evaluate(startBulk, BULK, BULK_MESSAGE)
      const read = () => page.evaluate(() => (window as unknown as { bulk: Bulk }).bulk)
      // however long a machine takes for all of it: it goes on
      for (let step = 1; step <= BULK_STEPS; step++) {
        const part = (step / BULK_STEPS) * BULK
        await untilMet(read, ({ receivedBytes }) => receivedBytes >= part, `${part / 1e6} MB are back`)
      }
      const { sent, received, sentBytes, receivedBytes } = await read()
      const seconds = (performance.now() - started) / 1000
      console.log(`${name}: ${BULK / 1e6} MB there and back in ${seconds.toFixed(1)} s.`)
      expect([sentBytes, receivedBytes]).toEqual([BULK, BULK])
      expect(received).toBe(sent)
      await page.close()
    })

    it('the other way round: we offer, the browser answers, and both open channels', async () => {
      const page = await openPage(stage.browser, stage.server.address)
      const peer = await OfferingPeer.start()
      try {
        const answer = await page.evaluate(answerAndEcho, peer.offer('ours'))
        peer.accept(answer)
        await until(() => peer.received.length >= 3, 'messages of both channels')
        expect(peer.received).toEqual(
          expect.arrayContaining([
            { label: 'ours', data: 'to the browser' },
            { label: 'ours', data: new Uint8Array(100_000).fill(3) },
            { label: 'theirs', data: 'from the browser' },
          ]),
        )
      } finally {
        peer.close()
        await page.close()
      }
    })
  })
}

describe.skipIf(findBrowser('chromium') === undefined)(
  '[browser] chromium with SNAP',
  { timeout: 300_000 },
  () => {
    it('opens its data channels without a handshake, and they work', async () => {
      const stage = await BrowserStage.forTest('chromium', {
        flags: ['--enable-blink-features=WebRtcSctpSnap'],
      })
      const page = await connectedPage(stage)
      const offered = await page.evaluate(() => window.connection!.localDescription!.sdp)
      expect(offered).toContain('a=sctp-init:')
      const sizes = [1, 1000, 100_000]
      expect(await page.evaluate(echoSizes, {}, sizes)).toEqual({ came: sizes, damaged: 0 })
    })
  },
)

async function say(page: Page, text: string, button: string): Promise<void> {
  await page.waitForSelector('#send:enabled')
  await page.type('#text', text)
  await page.click(button)
}

/** The messages on the page, once there are so many. */
async function messages(page: Page, count: number): Promise<string[]> {
  const read = (): Promise<string[]> =>
    page.$$eval('#messages li', (lines) =>
      lines.map(
        (line) => `${line.dataset['from']!.split(' ').at(-1)} ${line.dataset['kind']} ${line.textContent}`,
      ),
    )
  return untilMet(read, (lines) => lines.length >= count, `${count} messages`)
}

/** A page of its own connection to the echo, with a first channel so that there are data channels. */
async function connectedPage({ browser, server }: BrowserStage): Promise<Page> {
  const page = await openPage(browser, server.address)
  await page.evaluate(async () => {
    const peer = new RTCPeerConnection()
    const first = peer.createDataChannel('first')
    const open = window.kit.opened(first)
    await window.kit.call(peer, '/?echo')
    await open
  })
  return page
}

// What follows runs in the page.

/** The sizes of the messages that came back as they were sent, in their order, and how many came back as none of them. */
async function echoSizes(
  options: RTCDataChannelInit,
  sizes: readonly number[],
): Promise<{ came: number[]; damaged: number }> {
  const { kit, connection } = window
  const channel = connection!.createDataChannel('sizes', options)
  channel.binaryType = 'arraybuffer'
  await kit.opened(channel)
  const byteAt = (i: number): number => (i * 31 + (i >> 8)) & 0xff
  const came: number[] = []
  let damaged = 0
  channel.addEventListener('message', ({ data }: MessageEvent<ArrayBuffer>) => {
    const echoed = new Uint8Array(data)
    if (sizes.includes(echoed.length) && echoed.every((byte, i) => byte === byteAt(i))) {
      came.push(echoed.length)
    } else damaged++
  })
  for (const size of sizes) {
    const back = new Promise((resolve) => {
      channel.addEventListener('message', resolve, { once: true })
      if (options.maxRetransmits !== undefined) setTimeout(resolve, 2000)
    })
    channel.send(Uint8Array.from({ length: size }, (_, i) => byteAt(i)))
    await back
  }
  channel.close()
  return { came, damaged }
}

async function manyChannels(count: number): Promise<number> {
  const { kit, connection } = window
  const results = Array.from({ length: count }, async (_, i) => {
    const channel = connection!.createDataChannel(`channel ${i}`, { ordered: i % 2 === 0 })
    await kit.opened(channel)
    const back: string[] = []
    const all = new Promise<void>((resolve) => {
      channel.addEventListener('message', ({ data }: MessageEvent<string>) => {
        back.push(data)
        if (back.length === 20) resolve()
      })
    })
    for (let k = 0; k < 20; k++) channel.send(`${i}/${k}`)
    await all
    channel.close()
    return (
      back.sort().join() ===
      Array.from({ length: 20 }, (__, k) => `${i}/${k}`)
        .sort()
        .join()
    )
  })
  return (await Promise.all(results)).filter(Boolean).length
}

async function openAndClose(count: number): Promise<number> {
  const { connection } = window
  let done = 0
  for (let i = 0; i < count; i++) {
    const channel = connection!.createDataChannel(`once ${i}`)
    const came = new Promise((resolve) => {
      channel.addEventListener('message', resolve)
    })
    channel.addEventListener('open', () => {
      channel.send('x')
    })
    await came
    const closed = new Promise((resolve) => {
      channel.addEventListener('close', resolve)
    })
    channel.close()
    await closed
    done++
  }
  return done
}

/** The bytes that are under way, and FNV-1a over their 32-bit words: it depends on every byte and on the order. */
interface Bulk {
  sent: number
  received: number
  sentBytes: number
  receivedBytes: number
}

/** Has so many bytes echoed, and answers when it has begun. */
async function startBulk(total: number, size: number): Promise<void> {
  const { kit, connection } = window
  const channel = connection!.createDataChannel('bulk')
  channel.binaryType = 'arraybuffer'
  channel.bufferedAmountLowThreshold = 1_000_000
  await kit.opened(channel)
  const hash = (value: number, bytes: Uint8Array): number => {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)
    let h = value
    for (const word of words) h = Math.imul(h ^ word, 0x0100_0193)
    return h >>> 0
  }
  const bulk: Bulk = { sent: 0x811c_9dc5, received: 0x811c_9dc5, sentBytes: 0, receivedBytes: 0 }
  Object.assign(window, { bulk })
  channel.addEventListener('message', ({ data }: MessageEvent<ArrayBuffer>) => {
    bulk.received = hash(bulk.received, new Uint8Array(data))
    bulk.receivedBytes += data.byteLength
  })
  const words = new Uint32Array(size >> 2)
  let state = 1
  const send = (): void => {
    while (bulk.sentBytes < total && channel.bufferedAmount <= 8_000_000) {
      for (let i = 0; i < words.length; i++)
        words[i] = state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      const message = new Uint8Array(words.buffer, 0, Math.min(size, total - bulk.sentBytes))
      bulk.sent = hash(bulk.sent, message)
      channel.send(message)
      bulk.sentBytes += message.length
    }
  }
  channel.addEventListener('bufferedamountlow', send)
  send()
}

/** Answers an offer, sends back what comes on its channel, and opens one more. */
async function answerAndEcho(offer: RTCSessionDescriptionInit): Promise<{ type: 'answer'; sdp: string }> {
  const peer = new RTCPeerConnection()
  peer.addEventListener('datachannel', ({ channel }) => {
    channel.binaryType = 'arraybuffer'
    channel.addEventListener('message', ({ data }: MessageEvent<string>) => {
      channel.send(data)
    })
  })
  await peer.setRemoteDescription(offer)
  const theirs = peer.createDataChannel('theirs')
  theirs.addEventListener('open', () => {
    theirs.send('from the browser')
  })
  const { sdp } = await window.kit.describe(peer)
  return { type: 'answer', sdp }
}
