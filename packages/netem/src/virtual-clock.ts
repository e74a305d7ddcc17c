import { type Instant, UsageError } from '@str0m/sans-io'
import { EmulationError } from './emulation-error.ts'

/** More rounds than this at one instant are a run that does not let time pass. */
const MAX_ROUNDS_PER_INSTANT = 10_000
const DEFAULT_WITHIN = 60_000
/** Seeds stay below this, so that each link of a run can have one of its own that is still exact. */
const MAX_SEED = 2 ** 32

/** A virtual clock that jumps from one thing due to the next. */
export abstract class VirtualClock {
  readonly seed: number
  #now: Instant

  constructor(seed: number, start: Instant) {
    if (!Number.isSafeInteger(seed) || seed < 0 || seed >= MAX_SEED) {
      throw new UsageError('invalid-option', `a seed is an integer from 0 to ${MAX_SEED - 1}, not ${seed}`)
    }
    if (!Number.isFinite(start)) {
      throw new UsageError('invalid-time', `the clock starts at a number of milliseconds, not ${start}`)
    }
    this.seed = seed
    this.#now = start
  }

  /** The virtual time. */
  get now(): Instant {
    return this.#now
  }

  protected abstract step(now: Instant): void
  protected abstract nextAt(): Instant
  /** Takes the output of machines that were called since the last step. */
  protected abstract drain(now: Instant): void

  /**
   * Runs until `condition` holds, asked at the start and each time something has happened. Throws an
   * `EmulationError` (`deadline`) where it does not within `within` ms of virtual time, 60000 by default; a `UsageError` (`invalid-time`) where `within` is no number.
   * An `EmulationError` (`livelock`) where a machine does not let time pass.
   */
  runUntil(condition: () => boolean, within: number = DEFAULT_WITHIN): void {
    const start = this.#now
    if (this.#run(condition, start + within)) return
    throw new EmulationError('deadline', `the condition did not hold ${within} ms after ${start}`, this.seed)
  }

  /** Runs for `duration` ms of virtual time. Throws a `UsageError` (`invalid-time`) where that is no number, and as `runUntil` where time stands still. */
  runFor(duration: number): void {
    this.#run(() => false, this.#now + duration)
  }

  #run(done: () => boolean, deadline: Instant): boolean {
    if (typeof deadline !== 'number' || Number.isNaN(deadline)) {
      throw new UsageError('invalid-time', 'how long to run is a number of milliseconds')
    }
    let rounds = 0
    this.drain(this.#now)
    while (!done()) {
      const next = Math.max(this.#now, this.nextAt())
      if (next > deadline || next === Number.POSITIVE_INFINITY) {
        this.#now = Math.max(this.#now, deadline)
        return false
      }
      rounds = next > this.#now ? 0 : rounds + 1
      if (rounds > MAX_ROUNDS_PER_INSTANT) {
        throw new EmulationError('livelock', `time stands still at ${next}`, this.seed)
      }
      this.#now = next
      this.step(next)
    }
    return true
  }
}
