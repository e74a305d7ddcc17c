import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Rtc } from '@str0m/rtc'
import { describe, expect, it } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { fetchFrom } from './https-client.ts'
import { until } from './test-server.ts'

const main = join(import.meta.dirname, '..', 'dist', 'main.js')

describe.skipIf(!existsSync(main))('[built] the program', { timeout: 300_000 }, () => {
  const run = (args: string[]): { child: ChildProcess; output: () => string } => {
    const child = spawn(process.execPath, [main, ...args])
    let text = ''
    child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()))
    child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()))
    return { child, output: () => text }
  }

  it('starts, prints where to go, and ends when it is told', async () => {
    const directory = scratchDirectory()
    const { child, output } = run(['--port', '0', '--directory', directory])
    await until(() => output().includes('str0m.test'), 'the addresses')
    const port = Number(/https:\/\/localhost:(\d+)\//.exec(output())?.[1])
    expect((await fetchFrom(port, '/')).status).toBe(200)
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })

  it('ends in good order where nobody reads what it prints any more, and where it is told twice', async () => {
    const start = async () => {
      const { child, output } = run(['--port', '0', '--directory', scratchDirectory()])
      await until(() => output().includes('str0m.test'), 'the addresses')
      return { child, output, port: Number(/https:\/\/localhost:(\d+)\//.exec(output())?.[1]) }
    }
    const unread = await start()
    const ended = once(unread.child, 'exit')
    unread.child.stdout?.destroy()
    // a line for the new call; the second one finds that nobody reads it
    while (unread.child.exitCode === null) {
      const change = new Rtc().createOffer()
      change.addMedia('audio', 'sendonly')
      const body = JSON.stringify(change.apply())
      await fetchFrom(unread.port, '/', { method: 'POST', body }).catch(() => {})
    }
    expect(await ended).toEqual([0, null])
    expect(unread.output()).not.toContain('Error')

    const told = await start()
    const over = once(told.child, 'exit')
    told.child.kill('SIGINT')
    await until(() => !told.child.kill('SIGINT') || told.child.exitCode !== null, 'its end')
    expect(await over).toEqual([0, null])
  })

  it.each([
    [['--help'], 0, 'Usage'],
    [['--port', 'x'], 1, 'is no port'],
  ])('answers %s', async (args, code, message) => {
    const { child, output } = run(args)
    expect(await once(child, 'exit')).toEqual([code, null])
    expect(output()).toContain(message)
  })
})
