import { portableCrypto } from '@str0m/crypto'
import { type LinkOptions, Pair } from '@str0m/netem'
import { type Instant, SeededRandom } from '@str0m/sans-io'
import { SctpAssociation, type SctpEvent, type SctpOptions } from '../src/index.ts'

/** A provider whose chance comes from `seed`. */
export function seededCrypto(seed: number): ReturnType<typeof portableCrypto> {
  return portableCrypto({ random: new SeededRandom(seed).fill })
}

export function receive(now: Instant, datagram: { readonly contents: Uint8Array }) {
  return { kind: 'receive', now, contents: datagram.contents } as const
}

export interface World {
  readonly pair: Pair<SctpAssociation>
  readonly a: SctpAssociation
  readonly b: SctpAssociation
}

export function makeWorld(
  seed: number,
  link: LinkOptions = { latency: 10 },
  options: SctpOptions = {},
  optionsB: SctpOptions = options,
): World {
  const a = new SctpAssociation({ crypto: seededCrypto(seed * 2), ...options })
  const b = new SctpAssociation({ crypto: seededCrypto(seed * 2 + 1), ...optionsB })
  return { pair: new Pair(a, b, { seed, link, receive }), a, b }
}

/** `a` connects and both are established. */
export function connected(
  seed: number,
  link?: LinkOptions,
  options?: SctpOptions,
  optionsB?: SctpOptions,
): World {
  const world = makeWorld(seed, link, options, optionsB)
  world.a.connect(0)
  world.pair.runUntil(() => world.a.state === 'established' && world.b.state === 'established')
  return world
}

export type Message = Extract<SctpEvent, { type: 'message' }>

export function messagesOf(events: readonly { readonly event: SctpEvent }[]): Message[] {
  return events.map(({ event }) => event).filter((event) => event.type === 'message')
}

export function closeReason(events: readonly { readonly event: SctpEvent }[]): string | undefined {
  for (const { event } of events) if (event.type === 'closed') return event.reason
  return undefined
}

/** Takes all datagrams and events of a machine. */
export function drain(machine: SctpAssociation): {
  datagrams: Uint8Array[]
  events: SctpEvent[]
  at: Instant
} {
  const datagrams: Uint8Array[] = []
  const events: SctpEvent[] = []
  for (;;) {
    const output = machine.pollOutput()
    if (output.kind === 'transmit') datagrams.push(output.contents)
    else if (output.kind === 'event') events.push(output.event)
    else return { datagrams, events, at: output.at }
  }
}

/** `length` bytes that tell their number. */
export function numbered(number: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (number * 31 + i * 7) & 0xff
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes
}

export function numberOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
}
