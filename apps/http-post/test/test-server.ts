import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MediaData } from '@str0m/rtc'
import { type RunningServer, startServer } from '../src/server.ts'

/** A server on free ports, with what it printed and received. */
export interface TestServer extends RunningServer {
  readonly address: string
  /** Of its own, for what it keeps and what a test shows. */
  readonly directory: string
  readonly lines: readonly string[]
  readonly frames: readonly { frame: MediaData; peer: number }[]
}

export async function startTestServer(): Promise<TestServer> {
  const lines: string[] = []
  const frames: { frame: MediaData; peer: number }[] = []
  const directory = await mkdtemp(join(tmpdir(), 'http-post-'))
  const server = await startServer(
    { port: 0, host: '::', udpPort: 0, addresses: [], directory, quiet: false },
    { log: (line) => lines.push(line), onFrame: (frame, peer) => frames.push({ frame, peer }) },
  )
  return { ...server, directory, address: `https://localhost:${server.port}/`, lines, frames }
}

export async function until(condition: () => boolean, milliseconds: number, what: string): Promise<void> {
  const end = Date.now() + milliseconds
  while (!condition()) {
    if (Date.now() > end) throw new Error(`Not within ${milliseconds} ms: ${what}`)
    await new Promise((resolve) => {
      setTimeout(resolve, 50)
    })
  }
}
