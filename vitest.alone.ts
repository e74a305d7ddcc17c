import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
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
  '--no-sparkplug',
  '--no-flush-bytecode',
  '--no-lazy-feedback-allocation',
]

/**
 * Runs a module in a process of its own with `--expose-gc` and other `flags`, and answers what it writes to its standard output, read as JSON: for what the
 * test runner and the coverage would disturb, such as how much memory something keeps.
 */
export async function runAlone<T>(module: URL, flags: readonly string[] = []): Promise<T> {
  const built = await build({
    configFile: false,
    logLevel: 'silent',
    ssr: { noExternal: true, resolve: { conditions } },
    build: { ssr: fileURLToPath(module), write: false, target: 'node20', minify: false },
  })
  if (!('output' in built)) throw new Error('the module was not bundled into one')
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', ...flags, '--input-type=module', '-'],
    { input: built.output[0].code, encoding: 'utf8', timeout: TIMEOUT },
  )
  if (status !== 0) throw new Error(`${module.href} ended with ${status ?? signal}: ${stderr}`)
  return JSON.parse(stdout) as T
}
