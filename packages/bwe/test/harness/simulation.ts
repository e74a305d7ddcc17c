import type { Link } from '@str0m/netem'
import type { Packet } from './packet.ts'

/** Something that sends and is woken by time. */
export interface Actor {
  readonly deadline: number
  wake(now: number): void
}

interface Action {
  readonly at: number
  readonly run: (now: number) => void
}

/** Links and those who use them, and one clock that jumps to the next thing due. */
export class Simulation {
  now = 0
  readonly links: Link<Packet>[] = []
  readonly actors: Actor[] = []
  #actions: Action[] = []

  at(time: number, run: (now: number) => void): void {
    this.#actions.push({ at: time, run })
    this.#actions.sort((a, b) => a.at - b.at)
  }

  runUntil(end: number): void {
    let rounds = 0
    for (;;) {
      let next = this.#actions[0]?.at ?? Number.POSITIVE_INFINITY
      for (const link of this.links) next = Math.min(next, link.nextAt())
      for (const actor of this.actors) next = Math.min(next, actor.deadline)
      next = Math.max(next, this.now)
      if (next > end) break
      rounds = next > this.now ? 0 : rounds + 1
      if (rounds > 10_000) throw new Error(`time stands still at ${next}`)
      this.now = next
      this.#step(next)
    }
    this.now = end
  }

  #step(now: number): void {
    while (this.#actions[0] !== undefined && this.#actions[0].at <= now) this.#actions.shift()!.run(now)
    for (const link of this.links) {
      for (let item = link.poll(now); item !== undefined; item = link.poll(now)) item.deliver(now)
    }
    for (const actor of this.actors) if (actor.deadline <= now) actor.wake(now)
  }
}
