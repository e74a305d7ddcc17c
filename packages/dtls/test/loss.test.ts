import { describe, expect, it } from 'vitest'
import { type LinkOptions, Pair } from '@str0m/netem'
import type { Dtls } from '@str0m/dtls'
import { makeClient, makeServer } from './support.ts'

function run(seed: number, link: LinkOptions, mtu: number, cookie: 'off' | 'required'): number {
  const client = makeClient({ mtu, handshakeTimeout: 120_000 }, seed)
  const server = makeServer({ mtu, cookie, handshakeTimeout: 120_000 }, seed + 10_000)
  const pair = new Pair<Dtls>(client, server, {
    seed,
    link,
    receive: (now, { contents }) => {
      expect(contents.length, `seed ${seed}`).toBeLessThanOrEqual(mtu)
      return { kind: 'receive', now, contents }
    },
  })
  pair.runUntil(() => client.state === 'connected' && server.state === 'connected', 100_000)
  expect([client.state, server.state], `seed ${seed}`).toEqual(['connected', 'connected'])
  return pair.now
}

const ROUGH: LinkOptions = {
  latency: 20,
  jitter: 10,
  loss: 0.3,
  duplicate: 0.1,
  reorder: 0.2,
  reorderDelay: 60,
}

describe('loss, reordering and duplication (S22: no livelock)', () => {
  it('connects in each of 200 runs at 30 % loss both ways', () => {
    const times: number[] = []
    for (let seed = 1; seed <= 200; seed++) {
      times.push(run(seed, ROUGH, seed % 2 === 0 ? 1200 : 300, seed % 3 === 0 ? 'required' : 'off'))
    }
    times.sort((a, b) => a - b)
    // half of the calls connect within half a second even so
    expect(times[100]).toBeLessThan(1500)
  })

  it('loses a tenth of a second, not a whole one, with a first ClientHello that is lost', () => {
    const client = makeClient()
    const server = makeServer()
    const pair = new Pair<Dtls>(client, server, {
      seed: 1,
      link: { latency: 5 },
      receive: (now, { contents }) => ({ kind: 'receive', now, contents }),
    })
    client.start(0)
    client.pollOutput()
    pair.runUntil(() => client.state === 'connected', 10_000)
    expect(pair.now).toBeLessThanOrEqual(125)
  })
})
