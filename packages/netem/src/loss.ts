import { type SeededRandom, UsageError } from '@str0m/sans-io'

/**
 * Loss in bursts: a chain of two states, asked once for each datagram. Probabilities, 0 to 1.
 * The mean burst in the bad state is `1 / recover` datagrams.
 */
export interface GilbertElliott {
  /** From the good state into the bad one. */
  readonly degrade: number
  /** From the bad state back into the good one. */
  readonly recover: number
  /** Loss in the bad state. Default 1. */
  readonly lossBad?: number
  /** Loss in the good state. Default 0. */
  readonly lossGood?: number
}

/** Decides for each datagram in turn whether it is lost. */
export class LossProcess {
  readonly #random: SeededRandom
  #bad = false

  constructor(random: SeededRandom) {
    this.#random = random
  }

  isLost(model: number | GilbertElliott): boolean {
    if (typeof model === 'number') return this.#random.chance(model)
    const flip = this.#random.chance(this.#bad ? model.recover : model.degrade)
    if (flip) this.#bad = !this.#bad
    return this.#random.chance(this.#bad ? (model.lossBad ?? 1) : (model.lossGood ?? 0))
  }
}

/** Throws a `UsageError` (`invalid-option`) unless `value` is from 0 to 1. */
export function checkProbability(name: string, value: number): void {
  if (typeof value !== 'number' || !(value >= 0 && value <= 1)) {
    throw new UsageError('invalid-option', `${name} is a probability from 0 to 1, not ${value}`)
  }
}

export function checkLoss(model: number | GilbertElliott): void {
  if (typeof model !== 'object' || model === null) return checkProbability('loss', model)
  checkProbability('loss.degrade', model.degrade)
  checkProbability('loss.recover', model.recover)
  checkProbability('loss.lossBad', model.lossBad ?? 1)
  checkProbability('loss.lossGood', model.lossGood ?? 0)
}
