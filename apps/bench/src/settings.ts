import { parseArgs } from 'node:util'

export const PARTS = ['srtp', 'engine', 'sockets', 'connect', 'idle', 'data', 'rtp', 'forward'] as const
export type Part = (typeof PARTS)[number]

export interface Settings {
  readonly parts: readonly Part[]
  /** Few rounds: whether it runs, and roughly what comes out. */
  readonly quick: boolean
  /** Without other stacks. */
  readonly alone: boolean
}

export const USAGE = `Usage: pnpm bench [options]

  --only LIST   parts, with commas between: ${PARTS.join(', ')} (all)
  --quick       some two minutes, with few rounds: the numbers are rough
  --alone       @str0m and Node alone, without other stacks
  --help        print this`

/** Reads flags. Throws an `Error` that says what is wrong. */
export function parseSettings(args: readonly string[]): Settings | 'help' {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== '--'),
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean' },
      alone: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  if (values.help === true) return 'help'
  const only = values.only
    ?.split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  const unknown = only?.find((part) => !(PARTS as readonly string[]).includes(part))
  if (unknown !== undefined) {
    throw new Error(`--only: there is no part "${unknown}", only ${PARTS.join(', ')}`)
  }
  return {
    parts: PARTS.filter((part) => only === undefined || only.includes(part)),
    quick: values.quick ?? false,
    alone: values.alone ?? false,
  }
}
