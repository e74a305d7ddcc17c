import type { Stack } from './stack.ts'

/** `-shared`: one socket for all its peers, as a server has it; else a socket each. `bare`: no stack, see there. */
export type StackName = '@str0m' | '@str0m-shared' | 'bare' | 'bare-shared' | 'werift' | 'node-datachannel'

/** Loads a stack, and nothing of the others. */
export async function loadStack(name: StackName): Promise<Stack> {
  switch (name) {
    case '@str0m':
      return (await import('./stack-str0m.ts')).socketEach()
    case '@str0m-shared':
      return (await import('./stack-str0m.ts')).sharedSocket()
    case 'bare':
      return (await import('./stack-bare.ts')).bareSocketEach()
    case 'bare-shared':
      return (await import('./stack-bare.ts')).bareSharedSocket()
    case 'werift':
      return (await import('./stack-werift.ts')).werift
    case 'node-datachannel':
      return (await import('./stack-node-datachannel.ts')).nodeDataChannel
  }
}
