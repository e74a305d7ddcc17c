/**
 * The run went wrong: a machine that does not let time pass (`livelock`), or a condition that did not come
 * true in time (`deadline`). The message carries the seed, which gives the same run again.
 */
export class EmulationError extends Error {
  override readonly name = 'EmulationError'
  readonly code: 'livelock' | 'deadline'
  readonly seed: number

  constructor(code: 'livelock' | 'deadline', message: string, seed: number) {
    super(`${message} (seed ${seed})`)
    this.code = code
    this.seed = seed
  }
}
