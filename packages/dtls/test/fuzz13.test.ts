import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import type { Dtls, DtlsOptions, DtlsVersion } from '@str0m/dtls'
import { handshakeMessage } from '../src/wire/handshake.ts'
import { ContentType } from '../src/wire/protocol.ts'
import { injector, mutate } from './mutations.ts'
import { scriptedClient13, scriptedServer13, sealed, signerOf } from './scripted13.ts'
import { CLIENT_CERTIFICATE, drain, makeClient, makeServer, SERVER_CERTIFICATE, Wire } from './support.ts'

const VERSIONS: readonly (readonly DtlsVersion[])[] = [['DTLS 1.3'], ['DTLS 1.3', 'DTLS 1.2']]
const LONG: Partial<DtlsOptions> = { versions: ['DTLS 1.3'], mtu: 16_384 }

function connectedKeys({ events }: Wire): unknown[] {
  const [client, server] = [events.client[0], events.server[0]]
  if (client?.type !== 'connected' || server?.type !== 'connected') throw new Error('no event')
  expect([client.version, server.version]).toEqual(['DTLS 1.3', 'DTLS 1.3'])
  return [client.srtp?.localKey, server.srtp?.remoteKey]
}

describe('S8: mutated datagrams in mid-handshake of DTLS 1.3', () => {
  for (const versions of VERSIONS) {
    for (const { loss, cookie, mtu } of [
      { loss: 0, cookie: 'off', mtu: 1200 },
      { loss: 0, cookie: 'required', mtu: 300 },
      { loss: 0.2, cookie: 'off', mtu: 300 },
      { loss: 0.2, cookie: 'required', mtu: 1200 },
    ] as const) {
      it(`neither throw nor disagree, and the genuine ones connect (${versions.join()}, loss ${loss}, cookie ${cookie}, mtu ${mtu})`, () => {
        const failed: string[] = []
        for (let seed = 1; seed <= 25; seed++) {
          const wire = new Wire(
            makeClient({ mtu, versions }, seed),
            makeServer({ mtu, cookie, versions }, seed + 1000),
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
          const [ours, theirs] = connectedKeys(wire)
          expect(ours, `seed ${seed}`).toEqual(theirs)
        }
        expect(failed).toEqual([])
      })
    }
  }
})

describe('S8: after the handshake of DTLS 1.3', () => {
  it('mutated datagrams of data, ACKs and new keys change nothing that the genuine ones do', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const wire = new Wire(
        makeClient({ versions: ['DTLS 1.3'] }, seed),
        makeServer({ versions: ['DTLS 1.3'] }),
      )
      wire.connect()
      wire.run(wire.now + 50)
      wire.path = injector(seed, 200, 0)
      for (let i = 0; i < 40; i++) {
        wire.client.send(new Uint8Array([i]))
        if (i % 10 === 0) wire.server.updateKeys(true)
        wire.run(wire.now + 5)
      }
      wire.run(wire.now + 1000)
      const data = wire.events.server.flatMap((event) => (event.type === 'data' ? [event.data[0]] : []))
      expect(data, `seed ${seed}`).toEqual(Array.from({ length: 40 }, (_, i) => i))
    }
  })
})

describe('S8: garbage under the keys, of a peer that has them', () => {
  function fuzz(
    machine: Dtls,
    random: SeededRandom,
    seal: (type: number, bytes: Uint8Array) => Uint8Array,
  ): void {
    const types = [ContentType.handshake, ContentType.ack, ContentType.applicationData, 0, 99]
    for (let i = 0; i < 60; i++) {
      let bytes = new Uint8Array(random.integer(80))
      random.fill(bytes)
      if (random.chance(0.6)) {
        bytes = mutate(random, handshakeMessage(random.integer(30), random.integer(8), bytes).bytes).slice()
      }
      const contents = seal(types[random.integer(types.length)]!, bytes)
      machine.handleInput({ kind: 'receive', now: i, contents })
      drain(machine)
    }
  }

  const stages = [[8, 13, 11, 15, 20], [13, 11, 15, 20], [11, 15, 20], [15, 20], [20], []]
  for (const omit of stages) {
    it(`after a handshake without the messages ${omit.join() || '(none)'}, in either role`, () => {
      for (let seed = 1; seed <= 15; seed++) {
        const random = new SeededRandom(seed)
        for (const [machine, { keys }] of [
          (() => {
            const client = makeClient(LONG, seed)
            return [client, scriptedServer13(client, { signer: signerOf(SERVER_CERTIFICATE), omit })] as const
          })(),
          (() => {
            const server = makeServer(LONG, seed)
            return [server, scriptedClient13(server, { signer: signerOf(CLIENT_CERTIFICATE), omit })] as const
          })(),
        ]) {
          const before = machine.state
          fuzz(machine, random, (type, bytes) => sealed(keys.write, type, bytes))
          fuzz(machine, random, (type, bytes) => sealed(keys.writeData, type, bytes))
          expect(machine.state, `seed ${seed}`).toBe(before)
        }
      }
    })
  }
})
