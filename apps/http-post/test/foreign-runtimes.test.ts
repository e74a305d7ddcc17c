import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import {
  call,
  findBrowser,
  launch,
  quit,
  readReceived,
  untilMet,
  waitForState,
} from '@str0m/demo-kit/browsers'
import type { Browser } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { bundleForPage } from '../../../vitest.alone.ts'
import { readmeExample } from '../../../vitest.examples.ts'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { until } from './test-server.ts'

// what is built, as it is published, on runtimes that are not Node

const APP = join(import.meta.dirname, '..')
const PACKAGES = join(APP, '..', '..', 'packages')

const RUNTIMES = {
  bun: { command: process.env['BUN'] ?? 'bun', args: ['run'] },
  deno: { command: process.env['DENO'] ?? 'deno', args: ['run', '--allow-all', '--node-modules-dir=manual'] },
} as const

for (const [name, { command, args }] of Object.entries(RUNTIMES)) {
  const isHere = spawnSync(command, ['--version']).status === 0

  describe.skipIf(!isHere)(`[${name}] the examples of the READMEs run`, { timeout: 60_000 }, () => {
    let directory: string
    beforeAll(() => {
      directory = packagesAsInstalled()
    })

    it.each(readdirSync(PACKAGES))('@str0m/%s', (which) => {
      const file = `${which}.ts`
      writeFileSync(join(directory, file), readmeExample(which))
      const { status, stdout, stderr } = spawnSync(command, [...args, file], {
        cwd: directory,
        encoding: 'utf8',
      })
      if (status !== 0) throw new Error(stderr)
      expect(stdout).not.toBe('')
    })
  })

  describe.skipIf(!isHere || findBrowser('chromium') === undefined)(
    `[${name}] [browser] chromium`,
    { timeout: 400_000 },
    () => {
      it('calls a server that runs on it: camera, microphone and messages come back', async () => {
        const server = await startServer(command, args)
        const browser = await launch('chromium')
        onTestFinished(() => quit(browser))
        const page = await call(browser, server.address, ['echo', 'cam', 'mic', 'data'])
        await waitForState(page, 'connected')
        await untilMet(
          () => readReceived(page, '#remote'),
          ({ frames, samples, shown }) => frames >= 60 && samples >= 96_000 && shown,
          'two seconds of its echo',
        )
        await page.waitForSelector('#send:enabled')
        await page.type('#text', 'hello')
        await page.click('#send')
        await until(() => server.lines.some((line) => line.endsWith('text: "hello" }')), 'the message')
        await page.close()
      })
    },
  )
}

describe.skipIf(findBrowser('chromium') === undefined)('[browser] chromium, as a runtime', () => {
  let directory: string
  let browser: Browser
  beforeAll(async () => {
    directory = packagesAsInstalled()
    browser = await launch('chromium')
  })
  afterAll(() => quit(browser))

  it.each(readdirSync(PACKAGES))('the example of @str0m/%s runs in a page', async (which) => {
    const file = join(directory, `${which}.ts`)
    writeFileSync(file, readmeExample(which))
    const page = await browser.newPage()
    const errors: unknown[] = []
    page.on('pageerror', (error) => errors.push(error))
    const lines: string[] = []
    page.on('console', (message) => lines.push(message.text()))
    await page.addScriptTag({ content: await bundleForPage(file) })
    await until(() => lines.length + errors.length > 0, 'what it prints')
    expect(errors).toEqual([])
    await page.close()
  })
})

/** A folder in which each package is found by its name. */
function packagesAsInstalled(): string {
  const directory = scratchDirectory()
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
  const scope = join(directory, 'node_modules', '@str0m')
  mkdirSync(scope, { recursive: true })
  for (const which of readdirSync(PACKAGES)) symlinkSync(join(PACKAGES, which), join(scope, which))
  return directory
}

/** Starts the app's own program on another runtime. */
async function startServer(
  command: string,
  args: readonly string[],
): Promise<{ readonly address: string; readonly lines: readonly string[] }> {
  const directory = scratchDirectory()
  const options = ['--port', '0', '--directory', directory]
  const child: ChildProcess = spawn(command, [...args, join(APP, 'dist', 'main.js'), ...options], {
    env: { ...process.env, NO_COLOR: '1' },
  })
  const lines: string[] = []
  for (const stream of [child.stdout!, child.stderr!]) {
    createInterface({ input: stream }).on('line', (line) => lines.push(line))
  }
  onTestFinished(async () => {
    if (child.exitCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'exit')
  })
  const find = (): string | undefined => lines.find((line) => /^ {2}https:\/\/localhost:/.test(line))
  await until(() => find() !== undefined || child.exitCode !== null, 'the address that it prints')
  const address = find()
  if (address === undefined) throw new Error(lines.join('\n'))
  return { address: address.trim(), lines }
}
