import { type ChildProcess, fork } from 'node:child_process'

export interface ChildOptions {
  /** It is ended after so many ms. */
  readonly timeout: number
}

/** A process of our own that runs the module `name` beside this one, with `--expose-gc`. */
export function startChild(name: string, args: readonly string[]): ChildProcess {
  return fork(new URL(name, import.meta.url), args, {
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
}

/** Runs a module in a process of its own and answers the one message that it sends. */
export function runChild<T>(name: string, args: readonly string[], { timeout }: ChildOptions): Promise<T> {
  const child = startChild(name, args)
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`${name} ${args.join(' ')} took longer than ${timeout / 1000} s`))
    }, timeout)
    child.once('message', (message) => {
      clearTimeout(timer)
      resolve(message as T)
    })
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      reject(new Error(`${name} ${args.join(' ')} ended with ${signal ?? code}`))
    })
  })
}

/** Sends the result of this process to the one that started it, and ends. */
export function finish(result: object): void {
  process.send?.(result, () => process.exit(0))
}
