import { type LinkOptions, Pair } from '@str0m/netem'
import { describe, expect, it } from 'vitest'
import type { Dtls, DtlsOptions } from '@str0m/dtls'
import { makeClient, makeServer } from './support.ts'

interface Run {
  readonly client: Dtls
  readonly server: Dtls
  readonly pair: Pair<Dtls>
}

function start(seed: number, link: LinkOptions, options: Partial<DtlsOptions>): Run {
  const common: Partial<DtlsOptions> = {
    versions: ['DTLS 1.3', 'DTLS 1.2'],
    handshakeTimeout: 120_000,
    ...options,
  }
  const client = makeClient(common, seed)
  const server = makeServer(common, seed + 10_000)
  const mtu = options.mtu ?? 1200
  const pair = new Pair<Dtls>(client, server, {
    seed,
    link,
    receive: (now, { contents }) => {
      expect(contents.length, `seed ${seed}`).toBeLessThanOrEqual(mtu)
      return { kind: 'receive', now, contents }
    },
  })
  return { client, server, pair }
}

function areConnected({ client, server }: Run): boolean {
  return client.state === 'connected' && server.state === 'connected'
}

const ROUGH: LinkOptions = {
  latency: 20,
  jitter: 10,
  loss: 0.3,
  duplicate: 0.1,
  reorder: 0.2,
  reorderDelay: 60,
}

describe('DTLS 1.3: loss, reordering and duplication (S22: no livelock)', () => {
  for (const mtu of [1200, 200]) {
    it(`connects in each of 200 runs at 30 % loss both ways, with datagrams of ${mtu} bytes`, () => {
      const times: number[] = []
      for (let seed = 1; seed <= 200; seed++) {
        const run = start(seed, ROUGH, { mtu, cookie: seed % 3 === 0 ? 'required' : 'off' })
        run.pair.runUntil(() => areConnected(run), 100_000)
        expect([run.client.state, run.server.state], `seed ${seed}`).toEqual(['connected', 'connected'])
        times.push(run.pair.now)
        // the client's last flight is acknowledged, and then there is nothing more to do
        run.pair.runFor(20_000)
        expect([run.client.pollOutput(), run.server.pollOutput()], `seed ${seed}`).toEqual([
          { kind: 'timeout', at: Infinity },
          { kind: 'timeout', at: Infinity },
        ])
      }
      times.sort((a, b) => a - b)
      // half of the calls connect within half a second even so
      expect(times[100]).toBeLessThan(500)
    })
  }
})
