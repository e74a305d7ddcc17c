import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import type { MediaData } from '@str0m/rtc'
import { expect } from 'vitest'
import { type TestServer, until } from './test-server.ts'

/** The system's, since its packages are not those of another Python on the path. */
const PYTHON = process.env['PYTHON'] ?? '/usr/bin/python3'
const GO = process.env['GO'] ?? '/usr/bin/go'
const CC = process.env['CC'] ?? 'cc'
const WHIP_CLIENT = '/usr/bin/whip-client'
const GO_PACKAGES = '/usr/share/gocode'
const PEERS = join(import.meta.dirname, 'peers')

const GSTREAMER_PROBE = `
import gi
gi.require_version("Gst", "1.0"); gi.require_version("GstSdp", "1.0"); gi.require_version("GstWebRTC", "1.0")
from gi.repository import Gst, GstSdp, GstWebRTC
Gst.init(None)
names = ["webrtcbin", "nicesrc", "dtlsdec", "srtpdec", "sctpdec", "vp8enc", "vp9enc", "x264enc", "avdec_h264", "opusenc", "mulawenc"]
assert all(map(Gst.ElementFactory.find, names))
`

export type PeerName = 'whip-client' | 'gstreamer' | 'aiortc' | 'pion'

/** Whether the peer can run here. */
export function hasPeer(name: PeerName): boolean {
  switch (name) {
    case 'whip-client':
      return existsSync(WHIP_CLIENT) && spawnSync(CC, ['--version']).status === 0
    case 'gstreamer':
      return spawnSync(PYTHON, ['-c', GSTREAMER_PROBE]).status === 0
    case 'aiortc':
      return spawnSync(PYTHON, ['-c', 'import aiortc']).status === 0
    case 'pion':
      return existsSync(GO) && existsSync(join(GO_PACKAGES, 'src/github.com/pion/webrtc/go.mod'))
  }
}

/** A line that a peer's script prints. */
export interface PeerEvent {
  readonly event: string
  readonly [key: string]: unknown
}

/** A process that calls us. */
export class ForeignPeer {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #output = ''
  #errors = ''

  private constructor(command: string, args: readonly string[], environment: NodeJS.ProcessEnv) {
    // nothing of a compiled script stays in the tree
    this.#child = spawn(command, args, {
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...environment },
    })
    this.#ended = once(this.#child, 'exit')
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()))
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.#errors += chunk.toString()))
  }

  static node(script: string, ...args: string[]): ForeignPeer {
    return new ForeignPeer(process.execPath, [join(PEERS, script), ...args], {})
  }

  static python(script: string, ...args: string[]): ForeignPeer {
    return new ForeignPeer(PYTHON, [join(PEERS, script), ...args], {})
  }

  /** Runs what `buildPion` built. */
  static pion(program: string, ...args: string[]): ForeignPeer {
    return new ForeignPeer(program, args, {})
  }

  /** Builds the client's stand-in for a library (see `no-upnp.c`), and starts it with its two pipelines. */
  static whipClient(server: TestServer, args: readonly string[]): ForeignPeer {
    const library = join(server.directory, 'no-upnp.so')
    const soname = '-Wl,-soname,libgupnp-igd-1.0.so.4'
    const flags = ['-shared', '-nostdlib', soname, '-o', library, join(PEERS, 'no-upnp.c')]
    const built = spawnSync(CC, flags, { encoding: 'utf8' })
    if (built.status !== 0) throw new Error(`${CC}: ${built.stderr}`)
    const certificate = join(server.directory, 'certificate.pem')
    return new ForeignPeer(WHIP_CLIENT, ['--url', server.address, '-l', '7', '-o', ...args], {
      LD_PRELOAD: library,
      SSL_CERT_FILE: certificate,
      // the client's own plugins are probed with the stand-in: others are not to remember what came of it
      GST_REGISTRY: join(server.directory, 'gstreamer-registry'),
    })
  }

  /** All that it printed. */
  get output(): string {
    return this.#output + this.#errors
  }

  get events(): PeerEvent[] {
    return this.#output
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as PeerEvent)
  }

  find(event: string): PeerEvent | undefined {
    return this.events.find((entry) => entry.event === event)
  }

  /** Gives it a line to read. */
  tell(value: object): void {
    this.#child.stdin?.write(`${JSON.stringify(value)}\n`)
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** Waits for something that it does. All that it printed is in the error. */
  async until(condition: () => boolean, milliseconds: number, what: string): Promise<void> {
    try {
      await until(() => condition() || this.hasEnded, milliseconds, what)
    } catch (error) {
      throw new Error(this.output, { cause: error })
    }
    if (!condition()) throw new Error(`The peer ended before ${what}: ${this.output}`)
  }

  /** Waits for its last line, which says what came of the call. */
  async result<T>(milliseconds = 40_000): Promise<T> {
    await this.until(() => this.hasEnded, milliseconds, 'its end')
    const result = this.find('result')
    if (result === undefined) throw new Error(`The peer ended without a result: ${this.output}`)
    return result as T
  }

  /** As Ctrl-C does. */
  async interrupt(): Promise<void> {
    if (!this.hasEnded) this.#child.kill('SIGINT')
    await this.#ended
  }

  async end(): Promise<void> {
    if (!this.hasEnded) this.#child.kill('SIGKILL')
    await this.#ended
  }
}

/** Builds the peer in Go from the sources that Debian has, into a directory of a test's own, and answers where the program is. */
export function buildPion(directory: string): string {
  const source = join(directory, 'src', 'peer')
  cpSync(join(PEERS, 'pion'), source, { recursive: true })
  const program = join(directory, 'pion')
  const { status, stderr } = spawnSync(GO, ['build', '-o', program, '.'], {
    cwd: source,
    encoding: 'utf8',
    // without modules, nothing is downloaded
    env: { ...process.env, GO111MODULE: 'off', GOFLAGS: '', GOPATH: `${directory}:${GO_PACKAGES}` },
  })
  if (status !== 0) throw new Error(`go build: ${stderr}`)
  return program
}

/** A film of three seconds, as its encoders make it: VP8, H.264 and Opus. Answers the files. */
export function makeFilm(directory: string): { VP8: string; H264: string; Opus: string } {
  const picture = ['-f', 'lavfi', '-i', 'testsrc=size=320x240:rate=30:duration=3']
  const sound = ['-f', 'lavfi', '-i', 'sine=duration=3']
  const files = {
    VP8: join(directory, 'film.ivf'),
    H264: join(directory, 'film.h264'),
    Opus: join(directory, 'film.ogg'),
  }
  const vp8 = ['-c:v', 'libvpx', '-g', '30', '-b:v', '500k', '-deadline', 'realtime']
  const h264 = ['-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-g', '30', '-profile:v', 'baseline']
  for (const args of [
    [...picture, ...vp8, files.VP8],
    [...picture, ...h264, '-tune', 'zerolatency', files.H264],
    [...sound, '-c:a', 'libopus', '-page_duration', '20000', files.Opus],
  ]) {
    const { status, stderr } = spawnSync('ffmpeg', ['-v', 'error', '-y', ...args], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`ffmpeg: ${stderr}`)
  }
  return files
}

/** The frames of one section that a server received. */
export function framesOf(server: TestServer, kind: 'audio' | 'video'): MediaData[] {
  const line = server.lines.find((text) => text.includes('MediaAdded') && text.includes(`kind: ${kind}`))
  const mid = /Mid\(([^)]+)\)/.exec(line ?? '')?.[1]
  return server.frames.map(({ frame }) => frame).filter((frame) => frame.mid === mid)
}

/** No frame is missing, and none took longer to follow than `longest` seconds of media time. */
export function expectSteady(frames: readonly MediaData[], atLeast: number, longest: number): void {
  expect(frames.length).toBeGreaterThanOrEqual(atLeast)
  for (let i = 1; i < frames.length; i++) {
    const { time, contiguous } = frames[i]!
    expect(contiguous, `frame ${i} of ${frames.length} follows the one before`).toBe(true)
    const step = (time.value - frames[i - 1]!.time.value) / time.clockRate
    expect(step, `from frame ${i - 1} to ${i} of ${frames.length}`).toBeGreaterThan(0)
    expect(step, `from frame ${i - 1} to ${i} of ${frames.length}`).toBeLessThanOrEqual(longest)
  }
}
