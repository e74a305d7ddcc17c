import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './fixtures.ts'

/** What a file in `targets` exports. */
export interface Target {
  /** Tries one input; throws where something does not hold. The same input does the same, whatever came before. */
  fuzz(data: Uint8Array): void
  /** What the fuzzer begins with: genuine material. */
  seeds(): Uint8Array[]
}

/** An input that is kept in the repository, and what it was: `kept` for those that reach what others do not. */
export interface KeptInput {
  readonly bytes: Uint8Array
  readonly what: string
}

/** The inputs of `corpus` and `crashers`: a line for each, base64, then what it was. */
export function keptInputs(target: string): KeptInput[] {
  return ['corpus', 'crashers'].flatMap((kind) => {
    const file = join(ROOT, 'apps', 'fuzz', kind, `${target}.txt`)
    if (!existsSync(file)) return []
    const lines = readFileSync(file, 'utf8').trim().split('\n')
    return lines.map((line) => {
      const [base64 = '', ...words] = line.split(' ')
      return { bytes: Uint8Array.from(Buffer.from(base64, 'base64')), what: words.join(' ') || 'kept' }
    })
  })
}

/** Tries all; answers what failed and how, none where all is well. */
export function replay(target: Target, inputs: readonly KeptInput[]): string[] {
  const failures: string[] = []
  for (const { bytes, what } of inputs) {
    try {
      target.fuzz(bytes)
    } catch (error) {
      const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
      failures.push(`${Buffer.from(bytes).toString('base64')} (${what}): ${stack}`)
    }
  }
  return failures
}
