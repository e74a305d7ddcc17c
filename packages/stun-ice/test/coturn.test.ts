import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { TurnClientOptions } from '../src/index.ts'
import { type Coturn, hasCoturn, startCoturn } from './coturn.ts'
import { TurnSocket, type Way } from './turn-socket.ts'

const NO_TLS = ['--no-tls', '--no-dtls']

describe.skipIf(!hasCoturn())('[coturn] the client on a real server', { timeout: 60_000 }, () => {
  const relays: Coturn[] = []
  const sockets: TurnSocket[] = []
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.abandon()
    for (const relay of relays.splice(0)) await relay.stop()
  })

  async function start(flags: readonly string[] = [], port?: number): Promise<Coturn> {
    const relay = await startCoturn([...NO_TLS, ...flags], port)
    relays.push(relay)
    return relay
  }

  async function open(
    relay: Coturn,
    way: Way = 'udp',
    options: Partial<TurnClientOptions> = {},
  ): Promise<TurnSocket> {
    const { address, port, username, credential: password } = relay
    const socket = await TurnSocket.open(way, { address, port }, { username, password, ...options })
    sockets.push(socket)
    return socket
  }

  async function allocated(
    relay: Coturn,
    way: Way = 'udp',
    options: Partial<TurnClientOptions> = {},
  ): Promise<TurnSocket> {
    const socket = await open(relay, way, options)
    await socket.until(() => socket.client.state === 'allocated', 'the allocation')
    return socket
  }

  /** Data both ways, first in indications, then on channels, and nothing dropped. */
  async function talk(a: TurnSocket, b: TurnSocket): Promise<void> {
    // each makes its permission: what comes before that is lost
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      from.send('first', to.relayed)
      await from.until(() => from.client.statistics.permissions === 1, 'the permission')
    }
    // the first one may come as late as these
    const countedBy = ({ texts }: TurnSocket): string[] => texts.filter((text) => text !== 'first')
    const before = [countedBy(a).length, countedBy(b).length] as const
    for (let i = 0; i < 40; i++) {
      a.send(`from a: ${i}`, b.relayed)
      b.send(`from b: ${i}`, a.relayed)
      await new Promise((resolve) => {
        setTimeout(resolve, 5)
      })
    }
    await a.until(() => countedBy(a).length === before[0] + 40, 'what the second one sent')
    await b.until(() => countedBy(b).length === before[1] + 40, 'what the first one sent')
    expect(countedBy(a).slice(-40)).toEqual(Array.from({ length: 40 }, (_, i) => `from b: ${i}`))
    for (const { client } of [a, b]) {
      expect(client.statistics).toMatchObject({ permissions: 1, channels: 1, retransmissionsSent: 0 })
      expect(Object.values(client.statistics.dropped).reduce((sum, count) => sum + count)).toBe(0)
    }
  }

  test.each(['udp', 'tcp'] as const)('over %s: data both ways, on a channel, and given back', async (way) => {
    const relay = await start()
    const [a, b] = [await allocated(relay, way), await allocated(relay)]
    await talk(a, b)
    expect(relay.log().match(/CHANNEL_BIND processed, success/g)?.length).toBe(2)
    for (const socket of [a, b]) {
      await socket.close()
      expect(socket.ended).toMatchObject({ reason: 'released', code: undefined })
    }
    expect(relay.log().match(/refreshed, .*lifetime=0/g)?.length).toBe(2)
  })

  test.skipIf(spawnSync('openssl', ['version']).error !== undefined)('[openssl] over TLS', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'coturn-'))
    try {
      const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
      const made = [
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-subj',
        '/CN=test',
        '-keyout',
        key,
        '-out',
        cert,
      ]
      expect(spawnSync('openssl', made).status).toBe(0)
      const relay = await startCoturn([`--cert=${cert}`, `--pkey=${key}`])
      relays.push(relay)
      const [a, b] = [await allocated(relay, 'tls'), await allocated(relay)]
      expect(relay.log()).toContain('TLS/TCP')
      await talk(a, b)
      await a.close()
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
    all?.some(({ address }) => address === '::1'),
  )
  test.skipIf(!hasIpv6)('[ipv6] a relayed address of IPv6: data both ways', async () => {
    const relay = await start(['--relay-ip=::1'])
    const [a, b] = [
      await allocated(relay, 'udp', { family: 6 }),
      await allocated(relay, 'udp', { family: 6 }),
    ]
    expect(a.relayed.address).toBe('::1')
    await talk(a, b)
  })

  test('refreshes an allocation of four seconds with nonces of one', async () => {
    const relay = await start(['--max-allocate-lifetime=4', '--stale-nonce=1'])
    const [a, b] = [await allocated(relay), await allocated(relay)]
    const [first] = a.events
    expect(first).toMatchObject({ type: 'allocated', lifetime: 4000 })
    await talk(a, b)
    const refreshes = (): number => relay.log().match(/refreshed, .*lifetime=4/g)?.length ?? 0
    await a.until(() => refreshes() >= 4, 'two refreshes of each', 15_000)
    expect(relay.log()).toContain('error 438')
    a.send('still there', b.relayed)
    await b.until(() => b.texts.at(-1) === 'still there', 'data after the refreshes')
    expect(a.ended).toBeUndefined()
  })

  test('a wrong password is refused after two requests', async () => {
    const socket = await open(await start(), 'udp', { password: 'wrong' })
    await socket.until(() => socket.ended !== undefined, 'the end')
    expect(socket.ended).toMatchObject({ reason: 'credentials', code: 401 })
    expect(socket.client.statistics.requestsSent).toBe(2)
  })

  test('a peer that is forbidden gets nothing, and another one does', async () => {
    const relay = await start(['--denied-peer-ip=192.0.2.77'])
    const [a, b] = [await allocated(relay), await allocated(relay)]
    a.send('no', { address: '192.0.2.77', port: 9 })
    await a.until(() => a.client.statistics.permissionsRefused === 1, 'the refusal')
    for (let i = 0; i < 100; i++) a.send('no', { address: '192.0.2.77', port: 9 })
    expect(a.client.statistics.dropped.permission).toBe(101)
    const { requestsSent } = a.client.statistics
    a.send('yes', b.relayed)
    await a.until(() => a.client.statistics.permissions === 1, 'the permission')
    expect(a.client.statistics.requestsSent).toBe(requestsSent + 1)
  })

  test('beyond the quota: 486', async () => {
    const relay = await start(['--user-quota=1'])
    await allocated(relay)
    const second = await open(relay)
    await second.until(() => second.ended !== undefined, 'the end')
    expect(second.ended).toMatchObject({ reason: 'refused', code: 486 })
  })

  test('a server that sends on to another one', async () => {
    const target = await start()
    const relay = await start([`--alternate-server=${target.address}:${target.port}`])
    const socket = await allocated(relay)
    expect(socket.client.server).toEqual({ address: target.address, port: target.port })
    await socket.close()
    expect(target.log()).toMatch(/refreshed, .*lifetime=0/)
  })

  test('a server that has restarted: the allocation is lost, and nothing is sent any more', async () => {
    const relay = await start(['--max-allocate-lifetime=3'])
    const socket = await allocated(relay)
    await relay.stop()
    const again = await start([], relay.port)
    await socket.until(() => socket.ended !== undefined, 'the end', 20_000)
    expect(socket.ended).toMatchObject({ reason: 'mismatch', code: 437 })
    // what it writes comes by another way than what it sends
    await socket.until(() => again.log().includes('error 437'), 'the error in its log')
    const { requestsSent } = socket.client.statistics
    expect(
      socket.client.relay({ source: socket.relayed, destination: relay, contents: new Uint8Array(4) }),
    ).toBe(true)
    expect(socket.client.statistics).toMatchObject({ requestsSent, dropped: { ended: 1 } })
  })
})
