import { describe, expect, it } from 'vitest'
import { makePayload } from '../src/packets.ts'
import { loadStack } from '../src/load-stack.ts'
import { type Flow, HIGH_WATER, type Peer, type Purpose, type Stack } from '../src/stack.ts'

/** Connects two peers of this process over real sockets. */
async function connect(
  [offering, answering]: readonly [Stack, Stack],
  purpose: Purpose,
  onReceived: { offerer?: (length: number) => void; answerer?: (length: number) => void },
): Promise<{ offerer: Peer; answerer: Peer }> {
  const offerer = await offering.open({
    purpose,
    ...(onReceived.offerer && { onReceived: onReceived.offerer }),
  })
  const answerer = await answering.open({
    purpose,
    ...(onReceived.answerer && { onReceived: onReceived.answerer }),
  })
  await offerer.acceptAnswer(await answerer.acceptOffer(await offerer.createOffer()))
  await Promise.all([offerer.connected, answerer.connected])
  return { offerer, answerer }
}

/** Sends until `count` messages are taken, as fast as backpressure allows. */
async function sendAll(flow: Flow, message: Uint8Array, count: number): Promise<void> {
  for (let sent = 0; sent < count;) {
    if (flow.send(message)) {
      sent++
      continue
    }
    await new Promise<void>((resolve) => {
      flow.onceWritable(resolve)
      flow.flush()
    })
  }
  flow.flush()
}

describe.each(['@str0m', 'bare'] as const)('%s', (name) => {
  it('sends messages against backpressure, and all arrive whole', async () => {
    const stack = await loadStack(name)
    const lengths: number[] = []
    const message = new Uint8Array(64 * 1024)
    const count = (3 * HIGH_WATER) / message.length
    let arrived: () => void = () => {}
    const all = new Promise<void>((resolve) => {
      arrived = resolve
    })
    const { offerer, answerer } = await connect([stack, stack], 'data', {
      answerer: (length) => {
        if (lengths.push(length) === count) arrived()
      },
    })
    await sendAll(await offerer.flow(), message, count)
    await all
    expect(lengths).toEqual(Array.from({ length: count }, () => message.length))
    await Promise.all([offerer.close(), answerer.close()])
  })

  it('sends packets, and forwards them to all subscribers', async () => {
    const clients = await loadStack(name)
    const server = await loadStack(name === 'bare' ? 'bare-shared' : '@str0m-shared')
    const counts = [0, 0, 0]
    const subscriptions: { offerer: Peer; answerer: Peer }[] = []
    for (const i of counts.keys()) {
      const onReceived = { offerer: (): void => void counts[i]!++ }
      subscriptions.push(await connect([clients, server], 'subscription', onReceived))
    }
    const lengths: number[] = []
    const publishing = await connect([clients, server], 'packets', {
      answerer: (length) => void lengths.push(length),
    })
    server.forward?.(
      publishing.answerer,
      subscriptions.map(({ answerer }) => answerer),
    )
    const flow = await publishing.offerer.flow()
    const payload = makePayload()
    for (let i = 0; i < 20; i++) expect(flow.send(payload)).toBe(true)
    flow.flush()
    await expect.poll(() => counts).toEqual([20, 20, 20])
    expect(lengths).toEqual(Array.from({ length: 20 }, () => payload.length))
    for (const { offerer, answerer } of [publishing, ...subscriptions]) {
      await Promise.all([offerer.close(), answerer.close()])
    }
  })
})
