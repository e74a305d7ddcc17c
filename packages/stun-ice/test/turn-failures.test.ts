import { describe, expect, test } from 'vitest'
import type { TurnEnded } from '../src/index.ts'
import { at } from './support.ts'
import { PEER, SERVER, type TurnSetup, TurnStage } from './turn-support.ts'

const ALLOCATE = 3
const REFRESH = 4
const CREATE_PERMISSION = 8
const CHANNEL_BIND = 9

/** What a client ends with that never gets its allocation. */
function end(setup: TurnSetup, prepare: (stage: TurnStage) => void, within = 60_000): [TurnStage, TurnEnded] {
  const stage = new TurnStage(setup)
  prepare(stage)
  stage.network.runUntil(() => stage.ended !== undefined, within)
  const { requestsSent } = stage.client.statistics
  stage.network.runFor(7_200_000)
  expect(stage.client.statistics.requestsSent).toBe(requestsSent)
  expect(stage.client.state).toBe('ended')
  expect(stage.events.filter(({ type }) => type === 'ended').length).toBe(1)
  return [stage, stage.ended!]
}

describe('loss', () => {
  test('100 seeds at 30 % loss both ways: an hour of talk', () => {
    let [dropped, timeouts] = [0, 0]
    for (let seed = 1; seed <= 100; seed++) {
      const link = { latency: 20, jitter: 10, loss: 0.3, duplicate: 0.1, reorder: 0.1, reorderDelay: 50 }
      const stage = new TurnStage({ seed, link, server: { nonceLifetime: 300_000, modern: seed % 2 === 0 } })
      stage.network.runUntil(() => /^(allocated|ended)$/.test(stage.client.state), 120_000)
      if (stage.client.state === 'ended') {
        // seven requests or their answers were lost: 0.51⁷ for each of two
        expect(stage.ended?.reason, `seed ${seed}`).toBe('timeout')
        timeouts++
        continue
      }
      stage.talk(3_600_000, 10_000)
      expect(stage.ended, `seed ${seed}`).toBeUndefined()
      // of 360, half come back
      expect(stage.datagrams.length, `seed ${seed}`).toBeGreaterThan(120)
      expect([stage.server.allocations, stage.server.badBindings], `seed ${seed}`).toEqual([1, 0])
      dropped += stage.server.refusedData
      stage.client.close()
      stage.network.runUntil(() => stage.ended !== undefined)
    }
    expect(timeouts).toBeLessThanOrEqual(4)
    // datagrams that have overtaken what makes the permission or the channel
    expect(dropped).toBeLessThanOrEqual(10)
  })

  test('a permission that is lost: what waits for it goes once it is there', () => {
    const stage = TurnStage.allocated()
    stage.host.up.addOutage(stage.network.now, stage.network.now + 3000)
    stage.talk(3000, 300)
    expect(stage.datagrams).toEqual([])
    stage.network.runFor(2000)
    expect(stage.datagrams.map(({ contents }) => new TextDecoder().decode(contents))).toEqual(
      Array.from({ length: 10 }, (_, i) => `at ${40 + 300 * i}`),
    )
  })

  test('a permission that is not answered is given up, and asked for again where data comes', () => {
    const stage = TurnStage.allocated()
    stage.server.silent = true
    stage.send('x')
    stage.network.runFor(40_000)
    expect(stage.client.statistics.dropped.permission).toBe(1)
    stage.send('y')
    expect(stage.client.statistics.dropped.permission).toBe(2)
    stage.server.silent = false
    stage.network.runFor(6000)
    stage.send('z')
    stage.network.runFor(1000)
    expect(stage.datagrams.length).toBe(1)
  })
})

describe('no allocation', () => {
  test('a wrong password: after two requests', () => {
    const [stage, ended] = end({ client: { password: 'wrong' } }, () => {})
    expect(ended).toMatchObject({ reason: 'credentials', code: 401 })
    expect(stage.client.statistics.requestsSent).toBe(2)
    const [other] = end({ client: { username: 'nobody' }, server: { modern: true } }, () => {})
    expect(other.client.statistics.requestsSent).toBe(2)
  })

  test('a silent server: after seven requests', () => {
    const [stage, ended] = end({}, ({ server }) => (server.silent = true))
    expect(ended).toEqual({ type: 'ended', reason: 'timeout', code: undefined, alternateServer: undefined })
    expect(stage.client.statistics).toMatchObject({ requestsSent: 7, retransmissionsSent: 6 })
    expect(stage.host.events.at(-1)!.at).toBe(39_500)
    const [reliable] = end({ client: { proto: 'tcp' } }, ({ server }) => (server.silent = true))
    expect(reliable.client.statistics.requestsSent).toBe(1)
    expect(reliable.host.events.at(-1)!.at).toBe(39_500)
  })

  test.each([
    [400, 'refused'],
    [403, 'refused'],
    [420, 'refused'],
    [437, 'mismatch'],
    [441, 'credentials'],
    [442, 'refused'],
    [486, 'refused'],
    [500, 'refused'],
    [508, 'refused'],
    [300, 'redirected'],
  ] as const)('an error of %i: %s', (code, reason) => {
    const [stage, ended] = end({}, ({ server }) => server.errors.set(ALLOCATE, code))
    expect(ended).toMatchObject({ reason, code })
    expect(stage.client.statistics.requestsSent).toBe(2)
  })

  test('an error that is not authenticated is not believed, and its code is told in the end', () => {
    const refuse = ({ server }: TurnStage): void => {
      server.mangle = (response) => ({ ...response, errorCode: { code: 486, reason: '' } })
    }
    const [stage, ended] = end({}, refuse)
    expect(ended).toMatchObject({ reason: 'integrity', code: 486 })
    expect(stage.client.statistics.dropped.integrity).toBe(7)
    const [reliable, at] = end({ client: { proto: 'tcp' } }, refuse)
    expect(at).toMatchObject({ reason: 'integrity', code: 486 })
    expect(reliable.host.events.at(-1)!.at).toBe(20)
  })

  test('a nonce that is stale each time: four requests', () => {
    const [stage, ended] = end({ server: { nonceLifetime: -1 } }, () => {})
    expect(ended).toMatchObject({ reason: 'credentials', code: 438 })
    expect(stage.client.statistics.requestsSent).toBe(4)
  })

  test('another realm each time: four requests', () => {
    let count = 0
    const [stage, ended] = end({}, ({ server }) => {
      server.mangle = (response) => ({
        ...response,
        realm: `realm ${count++}`,
        errorCode: { code: 401, reason: '' },
      })
      server.lenient = true
    })
    expect(ended).toMatchObject({ reason: 'credentials', code: 401 })
    expect(stage.client.statistics.requestsSent).toBe(4)
  })

  test.each([
    ['no relayed address', (type: number) => type === 0x16],
    ['no lifetime', (type: number) => type === 0x0d],
  ])('a success with %s: the allocation is given back', (_name, isLost) => {
    const [stage, ended] = end({}, ({ server }) => {
      server.mangle = ({ others = [], ...response }) => ({
        ...response,
        others: others.filter(({ type }) => response.method !== ALLOCATE || !isLost(type)),
      })
    })
    expect(ended).toMatchObject({ reason: 'invalid-response' })
    expect([stage.server.allocations, stage.client.relayedAddresses]).toEqual([0, []])
  })

  test('a success with what must be understood and is not', () => {
    const [, ended] = end({}, ({ server }) => {
      server.mangle = (response) => ({
        ...response,
        others: [...(response.others ?? []), { type: 0x7777, value: new Uint8Array(4) }],
      })
    })
    expect(ended).toMatchObject({ reason: 'refused', code: 420 })
  })
})

describe('another server', () => {
  test('is asked over UDP, with credentials of its own', () => {
    const stage = new TurnStage()
    const second = stage.addServer(at('192.0.2.54', 3479), { realm: 'other', modern: true })
    stage.server.alternate = at('192.0.2.54', 3479)
    stage.network.runUntil(() => stage.client.state === 'allocated')
    expect(stage.client.server).toEqual(at('192.0.2.54', 3479))
    expect([stage.server.allocations, second.allocations]).toEqual([0, 1])
    stage.talk(1000, 50)
    stage.network.runFor(100)
    expect(stage.datagrams.length).toBe(20)
    expect(stage.client.accepts(SERVER)).toBe(false)
  })

  test('that sends back is not: no ping-pong', () => {
    const [stage, ended] = end({}, (stage) => {
      const second = stage.addServer(at('192.0.2.54', 3478))
      stage.server.alternate = at('192.0.2.54', 3478)
      second.alternate = SERVER
    })
    expect(ended).toMatchObject({ reason: 'redirected', code: 300, alternateServer: SERVER })
    expect(stage.client.statistics.requestsSent).toBe(2)
  })

  test('and another, three of them at most', () => {
    const [stage, ended] = end({}, (stage) => {
      stage.server.alternate = at('192.0.2.60', 3478)
      for (let i = 60; i < 70; i++) {
        stage.addServer(at(`192.0.2.${i}`, 3478)).alternate = at(`192.0.2.${i + 1}`, 3478)
      }
    })
    expect(ended).toMatchObject({ reason: 'redirected', alternateServer: at('192.0.2.63', 3478) })
    expect(stage.client.statistics.requestsSent).toBe(4)
  })

  test.each([
    ['of another family', at('2001:db8::54', 3478), {}],
    ['without a port', at('192.0.2.54', 0), {}],
    ['over TCP', at('192.0.2.54', 3478), { proto: 'tcp' }],
  ] as const)('%s is told, not asked', (_name, alternate, client) => {
    const [stage, ended] = end({ client }, ({ server }) => (server.alternate = alternate))
    expect(ended).toMatchObject({ reason: 'redirected', alternateServer: alternate })
    expect(stage.client.statistics.requestsSent).toBe(1)
  })

  test('is of no account once there is an allocation', () => {
    const stage = TurnStage.allocated()
    stage.server.errors.set(REFRESH, 300)
    stage.network.runFor(599_000)
    expect([stage.client.state, stage.client.server]).toEqual(['allocated', SERVER])
    stage.network.runFor(2000)
    expect(stage.ended).toMatchObject({ reason: 'expired' })
  })
})

describe('an allocation that is lost', () => {
  test('a server that has restarted says so: to a refresh, and to a permission', () => {
    const stage = TurnStage.allocated()
    stage.server.restart()
    stage.network.runUntil(() => stage.ended !== undefined, 600_000)
    expect(stage.network.now).toBeLessThan(481_000)
    expect(stage.ended).toMatchObject({ reason: 'mismatch', code: 437 })
    const other = TurnStage.allocated()
    other.server.restart()
    other.send('x')
    other.network.runUntil(() => other.ended !== undefined, 1000)
    expect(other.ended).toMatchObject({ reason: 'mismatch', code: 437 })
    const { requestsSent } = other.client.statistics
    other.send('y')
    other.network.runFor(3_600_000)
    expect(other.client.statistics.requestsSent).toBe(requestsSent)
  })

  test('a server that falls silent: it expires, and not one byte is sent after that', () => {
    const stage = TurnStage.allocated()
    stage.talk(1000, 50)
    stage.server.silent = true
    stage.talk(598_000, 1000)
    expect(stage.client.state).toBe('allocated')
    stage.network.runUntil(() => stage.ended !== undefined, 2000)
    expect(stage.ended).toMatchObject({ reason: 'expired' })
    const { sent } = stage.host.up.statistics
    stage.talk(100_000, 1000)
    expect(stage.host.up.statistics.sent).toBe(sent)
    expect(stage.client.statistics.dropped.ended).toBe(100)
  })

  test.each([401, 500])('refreshes that fail with %i are repeated until it expires', (code) => {
    const stage = TurnStage.allocated()
    stage.server.errors.set(REFRESH, code)
    stage.network.runFor(500_000)
    stage.server.errors.clear()
    stage.network.runFor(120_000)
    expect(stage.client.state).toBe('allocated')
    stage.server.errors.set(REFRESH, code)
    stage.network.runUntil(() => stage.ended !== undefined, 700_000)
    expect(stage.ended).toMatchObject({ reason: 'expired', code })
    expect(stage.server.log.filter((line) => line === `refresh ${code}`).length).toBeLessThanOrEqual(40)
  })

  test('credentials of another allocation: 441', () => {
    const stage = TurnStage.allocated()
    stage.server.errors.set(REFRESH, 441)
    stage.network.runUntil(() => stage.ended !== undefined, 600_000)
    expect(stage.ended).toMatchObject({ reason: 'credentials', code: 441 })
  })

  test('lifetimes that the server changes are kept to', () => {
    const stage = TurnStage.allocated({ server: { defaultLifetime: 100, maxLifetime: 100 } })
    stage.network.runFor(1_000_000)
    expect(stage.client.state).toBe('allocated')
    expect(stage.server.log.filter((line) => line === 'refresh success').length).toBe(20)
  })
})

describe('a peer that is refused', () => {
  test.each([403, 443, 508])(
    '%i: counted, and asked for again after five minutes at the earliest',
    (code) => {
      const stage = TurnStage.allocated()
      stage.server.errors.set(CREATE_PERMISSION, code)
      stage.talk(899_000, 1000)
      expect(stage.client.statistics).toMatchObject({
        permissionsRefused: 3,
        permissions: 0,
        datagramsSent: 0,
      })
      expect(stage.client.statistics.dropped.permission).toBe(899)
      stage.server.errors.clear()
      stage.talk(20_000, 1000)
      expect(stage.datagrams.length).toBeGreaterThan(15)
    },
  )

  test.each([500, 508])(
    '%i while its permission lasts: data goes on, and it is asked for again soon',
    (code) => {
      const stage = TurnStage.allocated()
      stage.talk(230_000, 1000)
      stage.server.errors.set(CREATE_PERMISSION, code)
      stage.talk(50_000, 1000)
      const { permissionsRefused } = stage.client.statistics
      expect(permissionsRefused).toBe(3)
      stage.server.errors.clear()
      stage.talk(120_000, 1000)
      stage.network.runFor(100)
      expect(stage.datagrams.length).toBe(400)
      expect(stage.client.statistics).toMatchObject({ permissionsRefused, permissions: 1 })
    },
  )

  test('500 until its permission is over: five requests, and no data', () => {
    const stage = TurnStage.allocated()
    stage.talk(230_000, 1000)
    stage.server.errors.set(CREATE_PERMISSION, 500)
    stage.talk(170_000, 1000)
    expect(stage.client.statistics).toMatchObject({ permissionsRefused: 5, permissions: 0 })
    expect(stage.client.statistics.dropped.permission).toBeGreaterThan(90)
  })

  test('does not hold up another one', () => {
    const stage = TurnStage.allocated()
    stage.server.denied.add('198.51.100.9')
    stage.send('x', at('198.51.100.9', 1))
    stage.send('y')
    stage.network.runFor(1000)
    expect([stage.datagrams.length, stage.client.statistics.permissionsRefused]).toEqual([1, 1])
  })

  test.each([400, 403, 508])('a channel that is refused with %i: indications go on', (code) => {
    const stage = TurnStage.allocated()
    stage.server.errors.set(CHANNEL_BIND, code)
    stage.talk(600_000, 1000)
    stage.network.runFor(100)
    expect(stage.datagrams.length).toBe(600)
    expect(stage.server.log.filter((line) => line.startsWith('channel')).length).toBe(1)
    stage.server.errors.clear()
    stage.talk(600_000, 1000)
    expect(stage.client.statistics.channels).toBe(1)
  })

  test('a channel that is not answered is asked for again', () => {
    const stage = TurnStage.allocated()
    stage.talk(350, 50)
    stage.server.silent = true
    stage.talk(50_000, 1000)
    stage.server.silent = false
    stage.talk(60_000, 1000, PEER)
    expect(stage.client.statistics.channels).toBe(1)
    expect(stage.server.badBindings).toBe(0)
  })
})
