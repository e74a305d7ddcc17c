import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { MediaData } from '@str0m/rtc'
import { afterEach, beforeEach, expect } from 'vitest'
import type { Settings } from '../src/settings.ts'
import { startTestServer, type TestServer, until } from './test-server.ts'

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

/** A process that calls us, and goes on until it is told to end. */
export class ForeignPeer {
  /** What it has printed as JSON. */
  readonly events: PeerEvent[] = []
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #output = ''

  private constructor(command: string, args: readonly string[], environment: NodeJS.ProcessEnv) {
    // nothing of a compiled script stays in the tree
    this.#child = spawn(command, args, {
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...environment },
    })
    // 'close' comes after the last of what it printed, 'exit' need not
    this.#ended = once(this.#child, 'close')
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => this.#read(line))
    }
    // it may be gone before it reads what it is told
    this.#child.stdin!.on('error', () => {})
  }

  static node(script: string, address: string, options: object): ForeignPeer {
    return new ForeignPeer(process.execPath, [join(PEERS, script), address, JSON.stringify(options)], {})
  }

  static python(script: string, address: string, options: object): ForeignPeer {
    return new ForeignPeer(PYTHON, [join(PEERS, script), address, JSON.stringify(options)], {})
  }

  /** Runs what `buildPion` built. */
  static pion(program: string, address: string, options: object): ForeignPeer {
    return new ForeignPeer(program, [address, JSON.stringify(options)], {})
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

  #read(line: string): void {
    this.#output += `${line}\n`
    if (line.startsWith('{') && line.endsWith('}')) this.events.push(JSON.parse(line) as PeerEvent)
  }

  /** All that it printed. */
  get output(): string {
    return this.#output
  }

  find(event: string): PeerEvent | undefined {
    return this.events.find((entry) => entry.event === event)
  }

  /** Gives it a line to read. */
  tell(what: string | object): void {
    this.#child.stdin!.write(`${typeof what === 'string' ? what : JSON.stringify(what)}\n`)
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** Waits for something that it does, however long a busy machine takes. All that it printed is in the error. */
  async until(condition: () => boolean, what: string): Promise<void> {
    try {
      await until(() => condition() || this.hasEnded, what)
    } catch (error) {
      throw new Error(this.#tail(), { cause: error })
    }
    if (!condition()) throw new Error(`The peer ended before ${what}: ${this.#tail()}`)
  }

  /** Waits until what it says of itself, four times a second, is `enough`, and answers that. */
  async progress<T>(enough: (so: T) => boolean, what: string): Promise<T> {
    const latest = (): T | undefined =>
      this.events.findLast(({ event }) => event === 'progress') as T | undefined
    await this.until(() => {
      const so = latest()
      return so !== undefined && enough(so)
    }, what)
    return latest()!
  }

  /** Waits until what it says of itself is `enough`, tells it to end, and answers its last line, which says what came of the call. */
  async endOnce<T>(enough: (so: T) => boolean, what: string): Promise<T> {
    await this.progress(enough, what)
    this.tell('end')
    await this.until(() => this.hasEnded, 'its end')
    await this.#ended
    const result = this.find('result')
    if (result === undefined) throw new Error(`The peer ended without a result: ${this.#tail()}`)
    return result as T
  }

  /** What it printed, without what later lines say again. */
  #tail(): string {
    const lines = this.#output.split('\n')
    const isProgress = (line: string): boolean =>
      line.startsWith('{"event": "progress"') || line.startsWith('{"event":"progress"')
    const last = lines.findLastIndex(isProgress)
    return lines.filter((line, i) => i === last || !isProgress(line)).join('\n')
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

/** Whether a line of the server's says more than that media comes. */
function isNews(line: string): boolean {
  return !line.includes('MediaData {')
}

/** A server for each test, and the peer that calls it. What the server said is printed where a test fails. */
export class ForeignCall {
  #server: TestServer | undefined
  #peer: ForeignPeer | undefined

  /** To be called in a group: from there on, each of its tests has a server of its own, and nothing outlives it. */
  static forEachTest(settings: Partial<Settings> = {}): ForeignCall {
    const call = new ForeignCall()
    beforeEach(async () => {
      call.#server = await startTestServer(settings)
    })
    afterEach(async ({ task }) => {
      if (task.result?.state === 'fail') console.error(call.server.lines.filter(isNews).join('\n'))
      await call.#peer?.end()
      await call.#server?.close()
    })
    return call
  }

  get server(): TestServer {
    return this.#server!
  }

  /** The peer is ended with the test. */
  start(peer: ForeignPeer): ForeignPeer {
    this.#peer = peer
    return peer
  }

  /** Whether the server has so many frames of each kind. */
  has(wanted: { readonly video?: number; readonly audio?: number }): boolean {
    return (['video', 'audio'] as const).every(
      (kind) => framesOf(this.server, kind).length >= (wanted[kind] ?? 0),
    )
  }
}

/** The frames of one section that a server received. */
export function framesOf(server: TestServer, kind: 'audio' | 'video'): MediaData[] {
  const line = server.lines.find((text) => text.includes('MediaAdded') && text.includes(`kind: ${kind}`))
  const mid = /Mid\(([^)]+)\)/.exec(line ?? '')?.[1]
  return server.frames.map(({ frame }) => frame).filter((frame) => frame.mid === mid)
}

/** Of what a frame's time is rounded to, seconds. */
const ROUNDING = 0.001

/**
 * No frame is missing, and from one to the next is the time of a frame: `step`, in seconds. These peers count their frames, also while the machine leaves them no
 * time. Opus of GStreamer begins with a shorter one.
 */
export function expectSteady(frames: readonly MediaData[], atLeast: number, step: number): void {
  expect(frames.length).toBeGreaterThanOrEqual(atLeast)
  for (let i = 1; i < frames.length; i++) {
    const { time, contiguous } = frames[i]!
    expect(contiguous, `frame ${i} of ${frames.length} follows the one before`).toBe(true)
    const taken = (time.value - frames[i - 1]!.time.value) / time.clockRate
    expect(taken, `seconds from frame ${i - 1} to ${i} of ${frames.length}`).toBeGreaterThan(
      i === 1 ? 0 : step - ROUNDING,
    )
    expect(taken, `seconds from frame ${i - 1} to ${i} of ${frames.length}`).toBeLessThan(step + ROUNDING)
  }
}
