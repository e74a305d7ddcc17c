import { describe, expect, test } from 'vitest'
import { TurnClient, type TurnClientOptions } from '../src/index.ts'
import { at, receive } from './support.ts'
import { BASE, drain, PEER, SERVER, TurnStage, USER } from './turn-support.ts'

const count = (log: readonly string[], entry: string): number => log.filter((line) => line === entry).length

describe('an allocation', () => {
  test.each([false, true])('in two round trips; with the password algorithms of RFC 8489: %s', (modern) => {
    const stage = TurnStage.allocated({ server: { modern } })
    expect(stage.network.now).toBe(40)
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

  test('of IPv6, of both families, and of both where the server has one', () => {
    const ipv6 = '2001:db8::53'
    const six = TurnStage.allocated({ client: { family: 6 }, server: { ipv6 } })
    expect(six.client.relayedAddresses).toEqual([at(ipv6, 50_000)])
    const both = TurnStage.allocated({ client: { family: 'both' }, server: { ipv6 } })
    expect(both.client.relayedAddresses).toEqual([at(SERVER.address, 50_000), at(ipv6, 50_001)])
    const [event] = both.events
    expect(event?.type === 'allocated' && event.candidates.map(({ type }) => type)).toEqual([
      'relay',
      'relay',
      'srflx',
    ])
    expect(TurnStage.allocated({ client: { family: 'both' } }).client.relayedAddresses).toEqual([
      at(SERVER.address, 50_000),
    ])
    const none = new TurnStage({ client: { family: 6 } })
    none.network.runUntil(() => none.ended !== undefined)
    expect(none.ended).toMatchObject({ reason: 'refused', code: 440 })
  })

  test('to a peer of another family nothing goes', () => {
    const stage = TurnStage.allocated()
    stage.send('x', at('2001:db8::2', 6000))
    expect(stage.client.statistics.dropped.family).toBe(1)
  })

  test('over TCP there is no server-reflexive candidate, nothing is sent twice, and ChannelData is padded', () => {
    const stage = TurnStage.allocated({ client: { proto: 'tcp' } })
    const [event] = stage.events
    expect(event?.type === 'allocated' && event.candidates.map(({ type }) => type)).toEqual(['relay'])
    stage.talk(1000, 50)
    drain(stage.client)
    stage.send('12345')
    expect(drain(stage.client).contents.map(({ length }) => length)).toEqual([12])
    stage.server.silent = true
    stage.network.runFor(3_600_000)
    expect(stage.client.statistics.retransmissionsSent).toBe(0)
  })

  test('options that are none', () => {
    const options = { server: SERVER, base: BASE, ...USER }
    const wrong = [
      [{ lifetime: 59_999 }, 'invalid-option'],
      [{ lifetime: Number.NaN }, 'invalid-option'],
      [{ lifetime: 3_600_001 }, 'invalid-option'],
      [{ server: 'turn.example:3478' }, 'invalid-address'],
      [{ base: '10.0.0.1' }, 'invalid-address'],
      // the answer would be of no use, and it is too late then to say so
      [{ base: '10.0.0.1:0' }, 'invalid-address'],
      [{ username: '' }, 'invalid-credentials'],
      [{ username: 'é'.repeat(255) }, 'invalid-credentials'],
      [{ username: 'a\nb' }, 'invalid-credentials'],
      [{ password: '' }, 'invalid-credentials'],
      // as untyped callers have them
      [{ username: undefined }, 'invalid-credentials'],
      [{ password: undefined }, 'invalid-credentials'],
      [{ server: undefined }, 'invalid-address'],
      [{ proto: 'tls' }, 'invalid-option'],
      [{ family: 'IPv6' }, 'invalid-option'],
    ] as const
    for (const [change, code] of wrong) {
      const changed = { ...options, ...change } as TurnClientOptions
      expect(() => new TurnClient(changed)).toThrow(expect.objectContaining({ code }))
    }
    expect(new TurnClient({ ...options, username: 'é'.repeat(254) }).state).toBe('new')
  })
})

describe('data', () => {
  test('goes both ways: with a permission, then on a channel', () => {
    const stage = TurnStage.allocated()
    stage.talk(1000, 50)
    stage.network.runFor(200)
    expect(stage.datagrams.length).toBe(20)
    expect(stage.datagrams[0]).toMatchObject({ source: PEER, destination: stage.relayed, proto: 'udp' })
    expect(new TextDecoder().decode(stage.datagrams[19]!.contents)).toBe('at 990')
    expect(stage.server.sendIndicationsReceived).toBe(8)
    expect(stage.server.channelDataReceived).toBe(12)
    expect(stage.client.statistics).toMatchObject({
      permissions: 1,
      channels: 1,
      datagramsSent: 20,
      datagramsReceived: 20,
      bytesSent: stage.client.statistics.bytesReceived,
    })
    expect(stage.server.log.slice(2)).toEqual(['permission success', 'channel success'])
  })

  test('on a channel costs four bytes', () => {
    const stage = TurnStage.allocated()
    stage.talk(1000, 50)
    drain(stage.client)
    stage.send('hello')
    const [contents] = drain(stage.client).contents
    expect([...contents!]).toEqual([0x40, 0, 0, 5, ...new TextEncoder().encode('hello')])
  })

  test('that comes to the relayed address of a permitted host from another port is told with that port', () => {
    const stage = TurnStage.allocated()
    stage.send('permit')
    stage.network.runFor(100)
    stage.peer.send(at(PEER.address, 7000), stage.relayed, new Uint8Array(3))
    stage.network.runFor(100)
    expect(stage.datagrams.at(-1)).toMatchObject({
      source: at(PEER.address, 7000),
      contents: new Uint8Array(3),
    })
  })

  test('from a source that is not relayed is not taken', () => {
    const stage = TurnStage.allocated()
    const contents = new Uint8Array(1)
    expect(stage.client.relay({ source: BASE, destination: PEER, contents })).toBe(false)
    expect(stage.client.relay({ source: at(SERVER.address, 1), destination: PEER, contents })).toBe(false)
    expect(stage.client.statistics.requestsSent).toBe(2)
  })

  test('has at most 65456 bytes, and all of them come', () => {
    const stage = TurnStage.allocated()
    const send = (length: number): boolean =>
      stage.client.relay({
        source: stage.relayed,
        destination: PEER,
        contents: new Uint8Array(length).fill(7),
      })
    expect(() => send(65_457)).toThrow(expect.objectContaining({ code: 'too-long' }))
    for (let i = 0; i < 20; i++) {
      send(65_456)
      stage.network.runFor(100)
    }
    expect(stage.datagrams.map(({ contents }) => contents.length)).toEqual(Array<number>(20).fill(65_456))
    expect(() =>
      stage.client.relay({ source: stage.relayed, destination: at('x', 1), contents: new Uint8Array(1) }),
    ).toThrow(expect.objectContaining({ code: 'invalid-address' }))
  })

  test('of no bytes goes too', () => {
    const stage = TurnStage.allocated()
    for (let i = 0; i < 12; i++) {
      stage.client.relay({ source: stage.relayed, destination: PEER, contents: new Uint8Array(0) })
      stage.network.runFor(100)
    }
    expect(stage.datagrams.length).toBe(12)
  })
})

describe('time', () => {
  test('two hours of talk: nothing is refused, and all is refreshed in time', () => {
    const stage = TurnStage.allocated({ server: { nonceLifetime: 600_000 } })
    stage.talk(7_200_000, 5000)
    stage.network.runFor(1000)
    expect(stage.datagrams.length).toBe(1440)
    // only the first one waits for a permission
    const delays = stage.host.events.flatMap(({ at, event }) =>
      event.type === 'datagram' ? [at - Number(new TextDecoder().decode(event.contents).slice(3))] : [],
    )
    expect(delays.slice(1).every((delay) => delay === 20)).toBe(true)
    const { log } = stage.server
    expect(count(log, 'refresh success')).toBe(15)
    // every four minutes, and some by the ChannelBind
    expect(count(log, 'permission success') + count(log, 'channel success')).toBeLessThanOrEqual(45)
    expect(count(log, 'channel success')).toBe(15)
    expect(
      count(log, 'refresh 438') + count(log, 'permission 438') + count(log, 'channel 438'),
    ).toBeGreaterThan(5)
    expect([stage.server.refusedData, stage.server.badBindings, stage.server.allocations]).toEqual([0, 0, 1])
    expect(Object.values(stage.client.statistics.dropped).every((dropped) => dropped === 0)).toBe(true)
  })

  test('an idle client refreshes the allocation alone, and wakes for nothing else', () => {
    const stage = TurnStage.allocated()
    stage.talk(1000, 50)
    stage.network.runFor(1_500_000)
    const [wakeUps, { requestsSent }] = [stage.host.wakeUps, stage.client.statistics]
    stage.network.runFor(5_400_000)
    expect(stage.client.statistics).toMatchObject({
      permissions: 0,
      channels: 0,
      requestsSent: requestsSent + 11,
    })
    expect(stage.host.wakeUps - wakeUps).toBe(11)
    expect(stage.ended).toBeUndefined()
  })

  test('a peer that was silent is talked to again: after its permission, its channel and the quarantine are over', () => {
    for (const pause of [290_000, 310_000, 590_000, 610_000, 890_000, 910_000, 2_000_000]) {
      const stage = TurnStage.allocated()
      stage.talk(1000, 50)
      stage.network.runFor(pause)
      const { length } = stage.datagrams
      stage.talk(1000, 50)
      stage.network.runFor(200)
      expect(stage.datagrams.length - length, `after ${pause}`).toBe(20)
      expect(stage.client.statistics, `after ${pause}`).toMatchObject({ permissions: 1, channels: 1 })
      expect([stage.server.refusedData, stage.server.badBindings], `after ${pause}`).toEqual([0, 0])
    }
  })

  test('peers that come and go: no number is bound otherwise within five minutes of its end', () => {
    const stage = TurnStage.allocated()
    for (let i = 0; i < 60; i++) {
      stage.talk(20_000, 1000, at(`198.51.100.${i}`, 6000))
      stage.network.runFor(i % 7 === 0 ? 400_000 : 10_000)
    }
    expect(stage.server.badBindings).toBe(0)
    expect(count(stage.server.log, 'channel success')).toBeGreaterThanOrEqual(60)
    expect(stage.server.log.filter((line) => / [34]/.test(line))).toEqual(['allocate 401'])
  })
})

describe('close', () => {
  test('gives the allocation back', () => {
    const stage = TurnStage.allocated()
    stage.send('x')
    stage.client.close()
    expect(stage.client.state).toBe('releasing')
    stage.client.close()
    stage.network.runUntil(() => stage.ended !== undefined)
    expect(stage.ended).toMatchObject({ reason: 'released', code: undefined })
    expect([stage.server.allocations, stage.server.log.at(-1)]).toEqual([0, 'refresh success'])
    stage.send('y')
    const { wakeUps } = stage.host
    stage.network.runFor(3_600_000)
    expect(stage.host.wakeUps).toBe(wakeUps)
    expect(stage.client.statistics.dropped.ended).toBe(1)
    stage.client.close()
    expect(stage.events.filter(({ type }) => type === 'ended').length).toBe(1)
  })

  test('with a nonce that is stale, and a minute after anything was said', () => {
    const stage = TurnStage.allocated({ server: { nonceLifetime: 1000 } })
    stage.network.runFor(60_000)
    stage.client.close()
    stage.network.runUntil(() => stage.ended !== undefined)
    expect([stage.server.allocations, stage.server.log.slice(-2)]).toEqual([
      0,
      ['refresh 438', 'refresh success'],
    ])
  })

  test('of a silent server ends after three tries', () => {
    const stage = TurnStage.allocated()
    stage.server.silent = true
    const { requestsSent } = stage.client.statistics
    stage.client.close()
    stage.network.runUntil(() => stage.ended !== undefined, 12_000)
    expect(stage.ended?.reason).toBe('released')
    expect(stage.client.statistics.requestsSent - requestsSent).toBe(3)
  })

  test('at any time while it allocates: the server keeps nothing', () => {
    for (let ms = 0; ms <= 60; ms += 5) {
      const stage = new TurnStage()
      stage.network.runFor(ms)
      stage.client.close()
      stage.network.runFor(20_000)
      expect(stage.ended?.reason, `after ${ms} ms`).toBe('released')
      expect(stage.server.allocations, `after ${ms} ms`).toBe(0)
    }
    const unused = new TurnClient({ server: SERVER, base: BASE, ...USER })
    unused.close()
    expect(drain(unused)).toMatchObject({ contents: [], events: [{ type: 'ended' }], at: Infinity })
    unused.handleInput({ kind: 'timeout', now: 1 })
    unused.handleInput(receive(2, { source: SERVER, destination: BASE, contents: new Uint8Array(20) }))
    expect(drain(unused)).toEqual({ contents: [], events: [], at: Infinity })
    expect(unused.statistics.dropped.ended).toBe(1)
  })
})
