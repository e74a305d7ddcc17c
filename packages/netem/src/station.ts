import type { Instant, Machine, ReceiveInput, TransmitOutput } from '@str0m/sans-io'
import { EmulationError } from './emulation-error.ts'

/** More outputs than this without a `timeout` are a machine that never drains. */
const MAX_OUTPUTS_PER_DRAIN = 100_000

/** The events of the machine `M`. */
export type EventOf<M extends Machine<unknown>> =
  Extract<ReturnType<M['pollOutput']>, { kind: 'event' }> extends { event: infer E } ? E : never
/** The datagrams that the machine `M` sends. */
export type TransmitOf<M extends Machine<unknown>> = Extract<ReturnType<M['pollOutput']>, TransmitOutput>
/** What the machine `M` takes as a datagram. */
export type ReceiveOf<M extends Machine<unknown>> = Extract<Parameters<M['handleInput']>[0], ReceiveInput>

/** An event, and when it came. */
export interface TimedEvent<E> {
  readonly at: Instant
  readonly event: E
}

/** A machine in an emulated network, and what came of it. */
export interface Station<M extends Machine<unknown>> {
  readonly name: string
  readonly machine: M
  /** All events, in order. */
  readonly events: readonly TimedEvent<EventOf<M>>[]
  /** How often it was woken by its own timer. */
  readonly wakeUps: number
}

/** Drives one machine: drains it, keeps its wake-up, checks rule 3 of the contract. */
export class Runner<M extends Machine<unknown>> implements Station<M> {
  readonly name: string
  readonly machine: M
  readonly events: TimedEvent<EventOf<M>>[] = []
  wakeUps = 0
  wakeAt: Instant = Number.NEGATIVE_INFINITY
  readonly #seed: number
  readonly #transmit: (now: Instant, output: TransmitOf<M>) => void

  constructor(
    name: string,
    machine: M,
    seed: number,
    transmit: (now: Instant, output: TransmitOf<M>) => void,
  ) {
    this.name = name
    this.machine = machine
    this.#seed = seed
    this.#transmit = transmit
  }

  receive(input: ReceiveOf<M>): void {
    this.machine.handleInput(input)
    this.drain(input.now)
  }

  /** Wakes the machine if it is due, and holds it to rule 3: it outputs something, or is due later. */
  wake(now: Instant): void {
    if (this.wakeAt > now) return
    this.wakeUps++
    this.machine.handleInput({ kind: 'timeout', now })
    if (this.drain(now) === 0 && this.wakeAt <= now) {
      throw new EmulationError(
        'livelock',
        `"${this.name}" was given the time ${now} and asks for ${this.wakeAt} again, without output`,
        this.#seed,
      )
    }
  }

  /** Takes all output. Answers how many there were. */
  drain(now: Instant): number {
    for (let count = 0; count < MAX_OUTPUTS_PER_DRAIN; count++) {
      const output = this.machine.pollOutput()
      if (output.kind === 'timeout') {
        this.wakeAt = output.at
        return count
      }
      if (output.kind === 'event') {
        this.events.push({ at: now, event: output.event as EventOf<M> })
      } else {
        this.#transmit(now, output as TransmitOf<M>)
      }
    }
    throw new EmulationError('livelock', `"${this.name}" never drains at ${now}`, this.#seed)
  }
}
