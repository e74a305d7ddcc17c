import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Dtls, DtlsEvent } from '@str0m/dtls'
import { decodeUtf8, encodeUtf8 } from '@str0m/sans-io'
import { scratchDirectory } from '../../../vitest.scratch.ts'

/** What `openssl version` says, or `undefined` where there is none. */
export function opensslVersion(): string | undefined {
  return versionOf('openssl', 'version')
}

/** The first line that a program prints of its version, or `undefined` where there is none. */
export function versionOf(command: string, argument: string): string | undefined {
  try {
    return execFileSync(command, [argument], { encoding: 'utf8' }).split('\n')[0]!.trim()
  } catch {
    return undefined
  }
}

/** What openssl is asked for, by the kind of key. FFmpeg has P-224, where it is built with GnuTLS. */
export const NEW_KEYS = {
  'P-224': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp224r1'],
  'P-256': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
  'P-384': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp384r1'],
  'P-521': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp521r1'],
  RSA: ['-newkey', 'rsa:2048'],
} as const

/** A folder with `key.pem` and `cert.pem`, made by openssl. */
export class Identity {
  readonly folder: string = scratchDirectory()
  readonly key: string = join(this.folder, 'key.pem')
  readonly certificate: string = join(this.folder, 'cert.pem')

  constructor(newKey: readonly string[]) {
    const subject = ['-nodes', '-days', '2', '-subj', '/CN=openssl']
    const files = ['-keyout', this.key, '-out', this.certificate]
    execFileSync('openssl', ['req', '-x509', ...newKey, ...subject, ...files], { stdio: 'ignore' })
  }

  der(): Uint8Array {
    return execFileSync('openssl', ['x509', '-in', this.certificate, '-outform', 'DER'])
  }

  fingerprint(): { algorithm: string; value: string } {
    const text = execFileSync(
      'openssl',
      ['x509', '-in', this.certificate, '-noout', '-fingerprint', '-sha256'],
      {
        encoding: 'utf8',
      },
    )
    return { algorithm: 'sha-256', value: text.split('=')[1]!.trim() }
  }
}

/** Runs another program and gathers what it prints. */
export class Program {
  readonly child: ChildProcessWithoutNullStreams
  output = ''

  constructor(command: string, args: readonly string[]) {
    this.child = spawn(command, args)
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.output += chunk.toString()
      })
    }
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return
    const exit = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await exit
  }
}

export class Openssl extends Program {
  constructor(args: readonly (readonly string[])[]) {
    super('openssl', args.flat())
  }
}

/** Drives one machine on a real socket. */
export class SocketDriver {
  readonly events: DtlsEvent[] = []
  readonly sizes: number[] = []
  readonly #socket: Socket
  readonly #machine: Dtls
  #peer: { port: number; address: string } | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  private constructor(machine: Dtls, socket: Socket) {
    this.#machine = machine
    this.#socket = socket
  }

  static async open(machine: Dtls, peerPort?: number): Promise<SocketDriver> {
    const socket = createSocket('udp4')
    const driver = new SocketDriver(machine, socket)
    if (peerPort !== undefined) driver.#peer = { port: peerPort, address: '127.0.0.1' }
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    socket.on('message', (contents, from) => {
      driver.#peer = { port: from.port, address: from.address }
      machine.handleInput({ kind: 'receive', now: performance.now(), contents: new Uint8Array(contents) })
      driver.drain()
    })
    return driver
  }

  get port(): number {
    return this.#socket.address().port
  }

  drain(): void {
    for (;;) {
      const output = this.#machine.pollOutput()
      if (output.kind === 'timeout') {
        clearTimeout(this.#timer)
        if (output.at === Infinity) return
        this.#timer = setTimeout(
          () => {
            this.#machine.handleInput({ kind: 'timeout', now: performance.now() })
            this.drain()
          },
          Math.max(0, output.at - performance.now()),
        )
        return
      }
      if (output.kind === 'event') this.events.push(output.event)
      else {
        this.sizes.push(output.contents.length)
        if (this.#peer) this.#socket.send(output.contents, this.#peer.port, this.#peer.address)
      }
    }
  }

  /** Starts a client's handshake once `server` says `ready`. */
  async startWhen(server: Program, ready: string): Promise<void> {
    await until(
      () => `${ready}: ${server.output}`,
      () => server.output.includes(ready),
    )
    this.#machine.start(performance.now())
    this.drain()
  }

  /** The first event, which is to be that the machine is connected, once `isPeer` says so of the peer. */
  async connected(peer: Program, isPeer: () => boolean = () => true): Promise<DtlsEvent> {
    await until(
      () => `connected: ${peer.output} ${JSON.stringify(this.#machine.statistics)}`,
      () => this.events.length > 0 && isPeer(),
    )
    return this.events[0]!
  }

  send(text: string): void {
    this.#machine.send(encodeUtf8(text))
    this.drain()
  }

  /** What the peer sends first. */
  async received(peer: Program): Promise<string | undefined> {
    await until(
      () => `data: ${peer.output}`,
      () => this.events.length > 1,
    )
    const data = this.events[1]!
    return data.type === 'data' ? decodeUtf8(data.data) : undefined
  }

  /** Ends the connection, and goes on for what the peer says to it. */
  end(): void {
    this.#machine.close()
    this.drain()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#socket.close()
  }
}

/** How long is waited for another program, ms: however busy the machine is. */
const PATIENCE = 60_000

/** Resolves once `condition` holds; rejects with `what` where it never does. */
export async function until(what: () => string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`did not come: ${what()}`)
    await new Promise((resolve) => {
      setTimeout(resolve, 5)
    })
  }
}

/** A UDP port that is free now. */
export async function freePort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}
