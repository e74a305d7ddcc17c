import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { ConnectResult } from '../src/connect-process.ts'
import type { DataEngineResult } from '../src/data-engine-process.ts'
import type { EngineResult } from '../src/engine-process.ts'
import type { FlowResult } from '../src/flow-process.ts'
import { VARIANTS } from '../src/flow-variants.ts'
import type { ForwardEngineResult } from '../src/forward-engine-process.ts'
import type { IdleOptions, IdleResult } from '../src/idle-process.ts'
import type { SrtpTimes } from '../src/srtp-process.ts'
import type { StackName } from '../src/load-stack.ts'
import type { TrafficOptions, TrafficRound } from '../src/traffic-process.ts'

const dist = join(import.meta.dirname, '..', 'dist')
const isBuilt = existsSync(join(dist, 'child.js'))
const TIMEOUT = 60_000
/** µs that nothing here takes for a packet, on the busiest machine; and CPU ms that none takes for a connection. */
const FAR_TOO_LONG = 50_000

/** A module of the program as it was built: beside it are the processes. */
async function built<T>(name: string): Promise<T> {
  return (await import(/* @vite-ignore */ pathToFileURL(join(dist, name)).href)) as T
}

/** What a process answers, over one that is started for it. */
async function run<T>(name: string, ...args: (string | number | object)[]): Promise<T> {
  const { runChild } = await built<typeof import('../src/child.ts')>('child.js')
  const texts = args.map((arg) => (typeof arg === 'object' ? JSON.stringify(arg) : String(arg)))
  return runChild<T>(`./${name}.js`, texts, { timeout: TIMEOUT })
}

/** Times that were measured, so many. */
function expectTimes(times: readonly number[] | undefined, count: number, most = FAR_TOO_LONG): void {
  expect(times).toHaveLength(count)
  for (const time of times!) {
    expect(time).toBeGreaterThan(0)
    expect(time).toBeLessThan(most)
  }
}

/** Why a stack cannot be loaded here; `undefined`: it can. */
async function whyNot(name: 'werift' | 'node-datachannel'): Promise<string | undefined> {
  return import(name).then(
    () => undefined,
    (error: unknown) => String(error),
  )
}

const missing: Partial<Record<StackName, string | undefined>> = {
  werift: await whyNot('werift'),
  'node-datachannel': await whyNot('node-datachannel'),
}
const STACKS = (
  ['@str0m', '@str0m-shared', 'bare', 'bare-shared', 'werift', 'node-datachannel'] as const
).map((stack) => ({ stack, reason: missing[stack] }))
const LOADED = STACKS.filter(({ reason }) => reason === undefined).map(({ stack }) => stack)
const ABSENT = STACKS.filter(({ reason }) => reason !== undefined)

describe.skipIf(!isBuilt)('[built] the processes', { timeout: 2 * TIMEOUT }, () => {
  it.for(ABSENT)('$stack is left out', ({ reason }, { skip }) => skip(reason))

  describe('without sockets', () => {
    it.each([
      ['native', 'new'],
      ['native', 'shared'],
      ['portable', 'shared'],
    ])('engine: %s, certificates: %s', async (provider, certificates) => {
      const { times, datagrams, virtualTime } = await run<EngineResult>(
        'engine-process',
        provider,
        certificates,
        2,
        1,
      )
      expectTimes(times, 2)
      // a check and its answer at least, and the six or so of a handshake: none is sent twice
      expect(datagrams).toBeGreaterThanOrEqual(8)
      expect(datagrams).toBeLessThan(20)
      // without a timer that has to run out
      expect(virtualTime).toBeGreaterThanOrEqual(0)
      expect(virtualTime).toBeLessThan(50)
    })

    it.each([
      ['AES_CM_128_HMAC_SHA1_80', 'native', 'all', true],
      ['AEAD_AES_256_GCM', 'native', 'all', false],
      ['AEAD_AES_128_GCM', 'portable', 'alone', false],
    ])('srtp: %s, %s, %s', async (profile, provider, others, hasWerift) => {
      if (missing.werift !== undefined && others === 'all') others = 'alone'
      const times = await run<SrtpTimes>('srtp-process', profile, provider, 2, others)
      const names = ['@str0m/srtp', 'node:crypto', ...(hasWerift && others === 'all' ? ['werift'] : [])]
      for (const direction of ['protect', 'unprotect'] as const) {
        expect(Object.keys(times[direction])).toEqual(names)
        for (const name of names) expectTimes(times[direction][name], 2)
      }
    })

    it('data-engine: a round of each size', async () => {
      const { bytes, cpu } = await run<DataEngineResult>('data-engine-process', [16_384, 65_536], 1)
      expect(bytes).toEqual([16 * 1024 * 1024])
      expect(cpu).toHaveLength(2)
      for (const times of cpu) expectTimes(times, 1)
    })

    it.each([1, 7])('forward-engine: to %i', async (subscribers) => {
      const found = await run<ForwardEngineResult>('forward-engine-process', subscribers, 2)
      expect(Object.keys(found.times)).toEqual([
        'engine',
        'protect',
        'node:crypto',
        'unprotect',
        'node:crypto, opening',
      ])
      for (const times of Object.values(found.times)) expectTimes(times, 2)
      expect(found.lost).toBe(0)
      // a buffer for a dozen datagrams, and the keystream of several: packets without one would not be new
      expect(found.cipherBuffers).toBeGreaterThan(0)
      expect(found.packetBuffers).toBeGreaterThan(found.cipherBuffers + 1 / 20)
      expect(found.packetBuffers).toBeLessThan(1.1)
    })
  })

  describe('with sockets', { concurrent: true }, () => {
    it('flow: bare datagrams and protected ones', async () => {
      const { sent, received, lost } = await run<FlowResult>('flow-process', 2, 5)
      for (const variant of VARIANTS) {
        expectTimes(sent[variant], 2)
        expectTimes(received[variant], 2)
      }
      expect(lost).toBeGreaterThanOrEqual(0)
      expect(lost).toBeLessThan(0.5)
    })

    it.each(LOADED)('connect: %s', async (stack) => {
      const purposes = stack === '@str0m' ? (['connection', 'data'] as const) : (['connection'] as const)
      for (const purpose of purposes) {
        const { latencies, offererCpu, answererCpu } = await run<ConnectResult>(
          'connect-process',
          stack,
          2,
          3,
          purpose,
          1,
        )
        expectTimes(latencies, 2)
        // of both together: what was before does not count
        expectTimes([offererCpu, answererCpu], 2)
      }
    })

    it.each(LOADED.filter((stack) => stack !== '@str0m' && stack !== 'bare'))('idle: %s', async (stack) => {
      const isShared = stack.endsWith('-shared')
      const options: IdleOptions = {
        stack,
        peers: isShared ? 20 : 1,
        tries: 3,
        warmUp: 1,
        settle: 100,
        watch: 300,
      }
      const { rss, heap, cpuShare } = await run<IdleResult>('idle-process', options)
      expect(cpuShare).toBeGreaterThan(0)
      expect(cpuShare).toBeLessThan(2)
      // of so few, what the process takes and gives back by the way is more
      expect(Number.isFinite(rss)).toBe(true)
      expect(Number.isFinite(heap)).toBe(true)
      if (isShared) expect(heap).toBeLessThan(1000)
    })

    const MESSAGES: TrafficRound = { kind: 'messages', size: 16_384, duration: 50 }
    const PACKETS: readonly TrafficRound[] = [
      { kind: 'packets', pace: 'each ms', burst: 4, bursts: 5 },
      { kind: 'packets', pace: 'flat out', burst: 4, bursts: 5 },
    ]
    const forwarding = (stack: StackName, other: StackName): TrafficOptions => ({
      stack,
      other,
      purpose: 'packets',
      subscribers: 2,
    })
    const SOME = LOADED.filter((stack) => !stack.endsWith('-shared'))
    it.each<[TrafficOptions, readonly TrafficRound[]]>([
      ...SOME.map((stack): [TrafficOptions, TrafficRound[]] => [
        { stack, purpose: 'data', subscribers: 0 },
        [MESSAGES],
      ]),
      ...SOME.map((stack): [TrafficOptions, readonly TrafficRound[]] => [
        { stack, purpose: 'packets', subscribers: 0 },
        PACKETS,
      ]),
      [forwarding('@str0m', '@str0m-shared'), PACKETS],
      [forwarding('bare', 'bare-shared'), PACKETS],
      ...SOME.filter((stack) => stack === 'werift').map(
        (stack): [TrafficOptions, readonly TrafficRound[]] => [forwarding(stack, stack), PACKETS],
      ),
    ])('traffic: $stack, $purpose, to $subscribers', async (options, rounds) => {
      const { runTraffic } = await built<typeof import('../src/traffic.ts')>('traffic.js')
      const { results, leftOut } = await runTraffic([{ name: 'it', options, rounds }], {
        repeats: 4,
        warmUp: 1,
      })
      expect(leftOut).toEqual([])
      for (const round of rounds) {
        const own = results.get('it')!.get(round)!
        expect(own).toHaveLength(4)
        for (const { sent, time, offererCpu, answererCpu } of own) {
          if (round.kind === 'packets') expect(sent).toBe(round.burst * round.bursts)
          else expect(sent).toBeGreaterThan(0)
          expect(time).toBeGreaterThan(0)
          if (round.kind === 'messages') expect(time).toBeGreaterThanOrEqual(round.duration)
          expectTimes([offererCpu, answererCpu], 2)
        }
        const whole = own.filter(
          ({ sent, received, forwarded }) => received === sent && forwarded === sent * options.subscribers,
        )
        // packets are counted some ms after the last was sent: on a busy machine, what comes later counts in the next round
        expect(whole.length, `of ${JSON.stringify(own)}`).toBeGreaterThanOrEqual(
          round.kind === 'messages' ? 4 : 1,
        )
      }
    })

    it('what fails is left out, and says why', async () => {
      const { runTraffic } = await built<typeof import('../src/traffic.ts')>('traffic.js')
      const options = { stack: 'nobody' as StackName, purpose: 'data', subscribers: 0 } as const
      const contenders = [{ name: 'it', options, rounds: [MESSAGES] }]
      const { results, leftOut } = await runTraffic(contenders, { repeats: 1, warmUp: 0 })
      expect([...results.keys()]).toEqual([])
      expect(leftOut).toEqual([expect.stringMatching(/^it is left out: ./)])
    })

    it('what takes too long is ended', async () => {
      const { runChild } = await built<typeof import('../src/child.ts')>('child.js')
      const answer = runChild('./connect-process.js', ['bare', '1000000', '1', 'connection', '0'], {
        timeout: 500,
      })
      await expect(answer).rejects.toThrow(/took longer than 0.5 s/)
    })
  })
})
