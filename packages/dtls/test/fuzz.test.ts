import { describe, expect, it } from 'vitest'
import { SeededRandom } from '@str0m/sans-io'
import { makeClient, makeServer, type Path, Wire } from './support.ts'

/** Changes some bytes, cuts, or joins. */
function mutate(random: SeededRandom, genuine: Uint8Array): Uint8Array {
  const bytes = genuine.slice()
  const kind = random.integer(8)
  if (kind === 0) return bytes.subarray(0, random.integer(bytes.length))
  if (kind === 1) {
    const doubled = new Uint8Array(bytes.length * 2)
    doubled.set(bytes)
    doubled.set(bytes, bytes.length)
    return doubled
  }
  const count = 1 + random.integer(4)
  for (let i = 0; i < count; i++) bytes[random.integer(bytes.length)] = random.u32()
  return bytes
}

/** An attacker on the path who injects `forgeries` datagrams around the genuine ones, and takes none away; the network may. */
function injector(seed: number, forgeries: number, loss: number): Path {
  const random = new SeededRandom(seed)
  let left = forgeries
  return (contents) => {
    const arriving = loss > 0 && random.chance(loss) ? [] : [{ contents, delay: 1 }]
    for (let i = 0; i < 3 && left > 0; i++, left--) {
      arriving.push({ contents: mutate(random, contents), delay: random.chance(0.5) ? 0.5 : 1.5 })
    }
    return arriving
  }
}

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
