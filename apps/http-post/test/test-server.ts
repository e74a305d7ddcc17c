import { untilMet } from '@str0m/demo-kit/browsers'
import type { MediaData } from '@str0m/rtc'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { type RunningServer, startServer } from '../src/server.ts'
import type { Settings } from '../src/settings.ts'

/** A server on free ports, with what it printed and received. */
export interface TestServer extends RunningServer {
  readonly address: string
  /** Of its own, for what it keeps and what a test makes. */
  readonly directory: string
  readonly lines: readonly string[]
  readonly frames: readonly ReceivedFrame[]
}

interface ReceivedFrame {
  readonly frame: MediaData
  readonly peer: number
  /** When it came, by `performance.now()`, ms. */
  readonly at: number
}

export async function startTestServer(settings: Partial<Settings> = {}): Promise<TestServer> {
  const lines: string[] = []
  const frames: ReceivedFrame[] = []
  const directory = scratchDirectory()
  const server = await startServer(
    {
      port: 0,
      host: '::',
      udpPort: 0,
      tcpPort: undefined,
      addresses: [],
      directory,
      token: undefined,
      iceServers: [],
      maxCalls: 100,
      whep: false,
      quiet: false,
      ...settings,
    },
    {
      log: (line) => lines.push(line),
      onFrame: (frame, peer) => frames.push({ frame, peer, at: performance.now() }),
    },
  )
  return { ...server, directory, address: `https://localhost:${server.port}/`, lines, frames }
}

/** Waits until something is so. */
export async function until(condition: () => boolean, what: string, milliseconds?: number): Promise<void> {
  await untilMet(condition, (met) => met, what, milliseconds)
}
