// The side that answers, in a process of its own: started by the one that offers.
import { type FromAnswerer, monotonicTime, readUsage, type ToAnswerer } from './signalling.ts'
import { loadStack, type StackName } from './load-stack.ts'
import type { Peer } from './stack.ts'

const stack = await loadStack(process.argv[2] as StackName)
const peers = new Map<number, Peer>()
let received = 0
let awaited = Number.POSITIVE_INFINITY

function say(message: FromAnswerer): void {
  process.send?.(message)
}

function onReceived(): void {
  if (++received < awaited) return
  awaited = Number.POSITIVE_INFINITY
  say({ kind: 'arrived', at: monotonicTime() })
}

function peerWith(id: number): Peer {
  const peer = peers.get(id)
  if (peer === undefined) throw new Error(`There is no peer ${id}`)
  return peer
}

async function handle(message: ToAnswerer): Promise<void> {
  switch (message.kind) {
    case 'offer': {
      const { id } = message
      const peer = await stack.open({ purpose: message.purpose, onReceived })
      peers.set(id, peer)
      peer.connected.then(
        () => say({ kind: 'connected', id, at: monotonicTime() }),
        () => {},
      )
      say({ kind: 'answer', id, sdp: await peer.acceptOffer(message.sdp) })
      break
    }
    case 'close': {
      const { id } = message
      const peer = peers.get(id)
      peers.delete(id)
      await peer?.close()
      say({ kind: 'closed', id })
      break
    }
    case 'usage':
      say({ kind: 'usage', usage: readUsage(message.collect), received })
      break
    case 'await':
      if (received >= message.received) say({ kind: 'arrived', at: monotonicTime() })
      else awaited = message.received
      break
    case 'forward':
      if (stack.forward === undefined) throw new Error('This stack is not asked to forward')
      stack.forward(peerWith(message.publisher), message.subscribers.map(peerWith))
      break
  }
}

process.on('message', (message) => {
  handle(message as ToAnswerer).catch((error: unknown) => {
    console.error(error)
    process.exit(1)
  })
})
process.on('disconnect', () => process.exit(0))
say({ kind: 'ready' })
