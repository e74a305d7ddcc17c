import type { Instant, Output, TimeoutInput, TransmitOutput } from '@str0m/sans-io'
import { UsageError } from '@str0m/sans-io'

/** Outputs of one input at most: more never end. */
const MAX_OUTPUTS = 20_000

/** Fails the input that is tried. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`does not hold: ${message}`)
}

/** What a call answers; `undefined` where it throws a `UsageError`, which it may. Anything else that is thrown is a finding. */
export function unlessRefused<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if (error instanceof UsageError) return undefined
    throw error
  }
}

export interface Drained<E, T> {
  readonly transmits: T[]
  readonly events: E[]
  readonly at: Instant
}

/** Polls until drained. */
export function drain<E, T extends TransmitOutput>(machine: { pollOutput(): Output<E, T> }): Drained<E, T> {
  const transmits: T[] = []
  const events: E[] = []
  for (;;) {
    const output = machine.pollOutput()
    if (output.kind === 'timeout') {
      check(!Number.isNaN(output.at), 'a deadline is a number')
      return { transmits, events, at: output.at }
    }
    if (output.kind === 'event') events.push(output.event)
    else transmits.push(output)
    check(transmits.length + events.length < MAX_OUTPUTS, 'outputs come to an end')
  }
}

/** Lets time come to `now`, and checks that the next deadline is later or that there was output: rule 3 of the contract. */
export function wake<E, T extends TransmitOutput>(
  machine: { handleInput(input: TimeoutInput): void; pollOutput(): Output<E, T> },
  now: Instant,
): Drained<E, T> {
  machine.handleInput({ kind: 'timeout', now })
  const drained = drain(machine)
  const moved = drained.at > now || drained.transmits.length + drained.events.length > 0
  check(moved, `timers advance: it is ${now}, and the next is at ${drained.at}`)
  return drained
}

/** Whether two arrays of bytes are equal. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
