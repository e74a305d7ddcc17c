import { SeededRandom } from '@str0m/sans-io'

/** Runs `body` with the generators of the seeds from 1 to `count`; a failure names its seed. */
export function forSeeds(count: number, body: (random: SeededRandom) => void): void {
  for (let seed = 1; seed <= count; seed++) {
    try {
      body(new SeededRandom(seed))
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      })
    }
  }
}
