import { describe, expect, test } from 'vitest'
import { at } from './support.ts'
import { BASE, PEER, SERVER, TurnStage } from './turn-support.ts'

describe('a TURN client', () => {
  test.each([false, true])('allocates; with the password algorithms of RFC 8489: %s', (modern) => {
    const stage = TurnStage.allocated({ server: { modern } })
    expect(stage.network.now).toBe(80)
    expect(stage.server.log).toEqual(['allocate 401', 'allocate success'])
    const [event] = stage.events
    expect(event).toMatchObject({
      type: 'allocated',
      relayedAddresses: [at(SERVER.address, 50_000)],
      mappedAddress: at('203.0.113.1', 40_000),
      lifetime: 600_000,
    })
    const candidates = event?.type === 'allocated' ? event.candidates : []
    expect(candidates).toMatchObject([
      {
        type: 'relay',
        address: stage.relayed,
        base: stage.relayed,
        relatedAddress: at('203.0.113.1', 40_000),
      },
      { type: 'srflx', address: at('203.0.113.1', 40_000), base: BASE },
    ])
  })

  test('relays both ways: with a permission, then on a channel', () => {
    const stage = TurnStage.allocated()
    stage.talk(1000, 50)
    stage.network.runFor(200)
    expect(stage.datagrams.length).toBe(20)
    expect(stage.datagrams[0]).toMatchObject({ source: PEER, destination: stage.relayed, proto: 'udp' })
    expect(new TextDecoder().decode(stage.datagrams[19]!.contents)).toBe('at 1030')
    expect(stage.server.sendIndicationsReceived).toBeLessThanOrEqual(10)
    expect(stage.server.channelDataReceived).toBeGreaterThanOrEqual(10)
    expect(stage.client.statistics).toMatchObject({
      permissions: 1,
      channels: 1,
      datagramsSent: 20,
      datagramsReceived: 20,
    })
    expect(stage.server.log.slice(2)).toEqual(['permission success', 'channel success'])
  })
})
