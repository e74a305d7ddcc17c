/** Something that is timed again and again, beside others. */
export interface Contender {
  readonly name: string
  /** Gets ready for one round. Not timed. */
  prepare?(): void
  /** One round: `operations` operations. */
  run(): void
  readonly operations: number
}

export interface RoundsOptions {
  readonly rounds: number
  /** Rounds before those that count: until the code is compiled. */
  readonly warmUp: number
}

/**
 * Runs all contenders in each round, each time beginning with another one, so that round i of one and round i of another are a
 * pair. Answers µs an operation of each round, by name.
 */
export function runRounds(
  contenders: readonly Contender[],
  { rounds, warmUp }: RoundsOptions,
): Record<string, number[]> {
  const times = contenders.map((): number[] => [])
  for (let round = -warmUp; round < rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const which = (i + round + warmUp) % contenders.length
      const contender = contenders[which]!
      contender.prepare?.()
      const start = process.hrtime.bigint()
      contender.run()
      const nanoseconds = Number(process.hrtime.bigint() - start)
      if (round >= 0) times[which]!.push(nanoseconds / 1000 / contender.operations)
    }
  }
  return Object.fromEntries(contenders.map(({ name }, i) => [name, times[i]!]))
}
