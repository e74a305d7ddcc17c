import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, onTestFinished, TestRunner } from 'vitest'

/** Those that no single test asked for. */
const directories: string[] = []

// of the file that imports this one: after all of its groups
afterAll(() => {
  for (const directory of directories.splice(0)) remove(directory)
})

/**
 * Makes a directory that is removed with the test in which it is asked for, or, outside of one, when all tests of the file have ended: also where they failed.
 */
export function scratchDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'str0m-test-'))
  if (TestRunner.getCurrentTest() === undefined) directories.push(directory)
  else onTestFinished(() => remove(directory))
  return directory
}

function remove(directory: string): void {
  // something that was ended may still write
  rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
}
