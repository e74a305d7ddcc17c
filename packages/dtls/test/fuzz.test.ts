import { describe, expect, it } from 'vitest'
import { injector } from './mutations.ts'
import { makeClient, makeServer, Wire } from './support.ts'

describe('S8: mutated datagrams in mid-handshake', () => {
  const cases = [0, 0.2].flatMap((loss) => (['off', 'required'] as const).map((cookie) => ({ loss, cookie })))
  for (const { loss, cookie } of cases) {
    for (const mtu of [1200, 300]) {
      it(`neither throw nor disagree, and the genuine ones connect (loss ${loss}, cookie ${cookie}, mtu ${mtu})`, () => {
        const failed: string[] = []
        for (let seed = 1; seed <= 40; seed++) {
          const wire = new Wire(
            makeClient({ mtu }, seed),
            makeServer({ mtu, cookie }, seed + 1000),
            injector(seed, 36, loss),
          )
          wire.connect(25_000)
          if (wire.client.state !== 'connected' || wire.server.state !== 'connected') {
            failed.push(
              `seed ${seed}: client ${wire.client.state}, server ${wire.server.state} ` +
                JSON.stringify([wire.client.statistics.dropped, wire.server.statistics.dropped]).replaceAll(
                  /"[a-z-]+":0,?/g,
                  '',
                ),
            )
            continue
          }
          const [client, server] = [wire.events.client[0], wire.events.server[0]]
          if (client?.type !== 'connected' || server?.type !== 'connected') throw new Error('no event')
          expect(client.srtp?.localKey, `seed ${seed}`).toEqual(server.srtp?.remoteKey)
        }
        expect(failed).toEqual([])
      })
    }
  }
})
