import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { build, type InlineConfig } from 'vite'
import { conditions } from './vitest.shared.ts'

/** Whether the heap is that of V8, which these flags steady: Bun's has other sizes. */
export const hasV8Heap: boolean = process.versions['bun'] === undefined

/** How long it may take, ms. */
const TIMEOUT = 60_000

/**
 * Flags with which the size of the heap is the same to the byte, however busy the machine is: nothing is compiled or collected beside the program, and code does not
 * change while it runs.
 */
export const STEADY_HEAP: readonly string[] = [
  '--single-threaded',
  '--no-opt',
  '--no-maglev',
  '--no-sparkplug',
  '--no-flush-bytecode',
  '--no-lazy-feedback-allocation',
]

/**
 * Runs a module in a process of its own with `--expose-gc` and other `flags`, and answers what it writes to its standard output, read as JSON: for what the
 * test runner and the coverage would disturb, such as how much memory something keeps.
 */
export async function runAlone<T>(module: URL, flags: readonly string[] = []): Promise<T> {
  const code = await bundle({
    ssr: { noExternal: true, resolve: { conditions } },
    build: { ssr: fileURLToPath(module), target: 'node20' },
  })
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', ...flags, '--input-type=module', '-'],
    { input: code, encoding: 'utf8', timeout: TIMEOUT },
  )
  if (status !== 0) throw new Error(`${module.href} ended with ${status ?? signal}: ${stderr}`)
  return JSON.parse(stdout) as T
}

/** A module and all that it imports as one script for a page, by way of the packages as they are built. */
export function bundleForPage(file: string): Promise<string> {
  return bundle({ build: { lib: { entry: file, formats: ['iife'], name: 'example' } } })
}

async function bundle({ build: options, ...config }: InlineConfig): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: 'silent',
    ...config,
    build: { write: false, minify: false, ...options },
  })
  const [first] = [built].flat()
  if (first === undefined || !('output' in first)) throw new Error('the module was not bundled into one')
  return first.output[0].code
}
