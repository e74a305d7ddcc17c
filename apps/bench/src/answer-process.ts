// The side that answers, in a process of its own: started by the one that offers.
import { type FromAnswerer, monotonicTime, readUsage, type ToAnswerer } from './signalling.ts'
import { loadStack, type Peer, type StackName } from './stack.ts'

const stack = await loadStack(process.argv[2] as StackName)
const peers = new Map<number, Peer>()

function say(message: FromAnswerer): void {
  process.send?.(message)
}

async function handle(message: ToAnswerer): Promise<void> {
  switch (message.kind) {
    case 'offer': {
      const { id } = message
      const peer = await stack.open()
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
      say({ kind: 'usage', usage: readUsage(message.collect) })
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
