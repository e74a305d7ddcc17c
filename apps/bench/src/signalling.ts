// What the two processes of a connection say to each other. The one that offers leads.
import type { Purpose } from './stack.ts'

/** To the process that answers. */
export type ToAnswerer =
  | { readonly kind: 'offer'; readonly id: number; readonly purpose: Purpose; readonly sdp: string }
  | { readonly kind: 'close'; readonly id: number }
  /** `collect`: the garbage first. */
  | { readonly kind: 'usage'; readonly collect: boolean }
  /** Answered once so many messages or packets have arrived in all. */
  | { readonly kind: 'await'; readonly received: number }
  | { readonly kind: 'forward'; readonly publisher: number; readonly subscribers: readonly number[] }

export type FromAnswerer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly id: number; readonly sdp: string }
  /** `at`: see `monotonicTime`. */
  | { readonly kind: 'connected'; readonly id: number; readonly at: number }
  | { readonly kind: 'closed'; readonly id: number }
  /** `received`: messages or packets so far, of all peers. */
  | { readonly kind: 'usage'; readonly usage: Usage; readonly received: number }
  | { readonly kind: 'arrived'; readonly at: number }

/** What a process has used so far. */
export interface Usage {
  /** CPU time of all its threads, ms. */
  readonly cpu: number
  /** When, ms. */
  readonly at: number
  /** Resident memory, KiB. */
  readonly rss: number
  /** What JavaScript holds, inside and outside of its heap, KiB. */
  readonly heap: number
}

/** ms on the machine's clock, the same in all processes. */
export function monotonicTime(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export function readUsage(collect: boolean): Usage {
  if (collect) for (let i = 0; i < 3; i++) globalThis.gc?.()
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed, external } = process.memoryUsage()
  return {
    cpu: (user + system) / 1000,
    at: monotonicTime(),
    rss: rss / 1024,
    heap: (heapUsed + external) / 1024,
  }
}
