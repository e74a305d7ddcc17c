// How much of a session is left once it is dropped, as long as only what is young is collected.
import { nativeCrypto } from '@str0m/crypto'
import type { Rtc, RtcOptions } from '../../src/index.ts'
import { connectedPair, directPair, eventsOf } from '../harness.ts'

declare function gc(options: { readonly type: 'minor' }): void

const COUNT = 20
/** The one in the middle counts. */
const ROUNDS = 7
const OPUS_SILENCE = Uint8Array.of(0xf8, 0xff, 0xfe)

const crypto = nativeCrypto()
const peer: RtcOptions = { crypto }

/** A call with audio and video, of which one packet comes. */
function call(options: RtcOptions): void {
  const { a, b, pair } = connectedPair({ seed: 1, a: options, b: options })
  speak(a)
  pair.runUntil(() => eventsOf(pair.b.events, 'mediaData').length > 0)
  a.close()
  b.close()
}

function speak(from: Rtc): void {
  const audio = from.medias.find(({ kind }) => kind === 'audio')!
  const { pt, clockRate } = audio.codecs[0]!
  audio.writer(pt).write({ value: 0, clockRate }, OPUS_SILENCE)
}

const sessions: Readonly<Record<string, () => void>> = {
  call: () => call(peer),
  'call with DTLS 1.3': () => call({ crypto, dtlsVersions: ['DTLS 1.3'] }),
  'call with bandwidth estimation': () => call({ crypto, bandwidthEstimation: {} }),
  'data channel': () => {
    connectedPair({ seed: 1, a: peer, b: peer, change: (change) => change.addChannel('dropped') })
  },
  direct: () => {
    const { a, b, pair } = directPair(1, {}, peer)
    pair.runUntil(() => a.connected && b.connected)
  },
}

function heapUsed(): number {
  // what is in use grows old by the second
  gc({ type: 'minor' })
  gc({ type: 'minor' })
  return process.memoryUsage().heapUsed
}

function growth(session: () => void): number {
  const before = heapUsed()
  for (let i = 0; i < COUNT; i++) session()
  return (heapUsed() - before) / COUNT
}

const kept: Record<string, number> = {}
for (const [what, session] of Object.entries(sessions)) {
  const rounds = Array.from({ length: ROUNDS }, () => growth(session))
  // what is left of a session is left in every round; code and caches come in the first ones, and the whole heap may be collected in one
  kept[what] = rounds.toSorted((a, b) => a - b)[(ROUNDS - 1) / 2]!
}
console.log(JSON.stringify(kept))
