import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Answer, Offer } from '@str0m/rtc'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { until } from './test-server.ts'

/** What Janus says at its own time: of a plugin (`plugindata`), of the connection (`webrtcup`, `media`, `hangup`), or both with a description. */
export interface JanusEvent {
  readonly janus: string
  readonly sender?: number
  readonly reason?: string
  readonly type?: string
  readonly receiving?: boolean
  readonly plugindata?: { readonly data: Readonly<Record<string, unknown>> }
  readonly jsep?: Offer | Answer
}

interface JanusReply extends JanusEvent {
  readonly data?: { readonly id: number }
  readonly error?: { readonly code: number; readonly reason: string }
}

export function hasJanus(): boolean {
  return spawnSync('janus', ['--version']).error === undefined
}

/** A Janus of its own (libnice, OpenSSL, libsrtp, usrsctp), with one session of its HTTP interface. */
export class Janus {
  readonly events: JanusEvent[] = []
  /** What it printed. */
  readonly lines: string[] = []
  readonly #process: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #address: string
  #session = ''
  #transactions = 0
  #stopped = false

  private constructor(child: ChildProcess, address: string) {
    this.#process = child
    this.#exited = once(child, 'exit')
    this.#address = address
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => this.lines.push(line))
    }
  }

  static async start(): Promise<Janus> {
    const directory = scratchDirectory()
    const port = await freePort()
    const http = `general: { base_path = "/janus" http = true https = false ip = "127.0.0.1" port = ${port} }\n`
    await writeFile(join(directory, 'janus.jcfg'), 'general: {}\n')
    await writeFile(join(directory, 'janus.transport.http.jcfg'), http)
    const child = spawn('janus', ['-F', directory, '--disable-colors', '-d', '4'])
    const janus = new Janus(child, `http://127.0.0.1:${port}/janus`)
    await janus.#open()
    return janus
  }

  async #open(): Promise<void> {
    let created: JanusReply | undefined
    const attempt = (): void => {
      this.#request('', { janus: 'create' }).then(
        (reply) => (created = reply),
        () => setTimeout(attempt, 50),
      )
    }
    attempt()
    await until(() => created !== undefined || this.#process.exitCode !== null, 'Janus to answer')
    if (created?.data === undefined) throw new Error(`Janus does not start: ${this.lines.join('\n')}`)
    this.#session = `/${created.data.id}`
    void this.#listen()
  }

  /** Takes events, one long request after the other. */
  async #listen(): Promise<void> {
    while (!this.#stopped) {
      try {
        const response = await fetch(`${this.#address}${this.#session}?maxev=10`)
        this.events.push(...((await response.json()) as JanusEvent[]))
      } catch (error) {
        if (!this.#stopped) throw error
      }
    }
  }

  async #request(path: string, body: object): Promise<JanusReply> {
    const response = await fetch(`${this.#address}${path}`, {
      method: 'POST',
      body: JSON.stringify({ ...body, transaction: String(++this.#transactions) }),
    })
    return (await response.json()) as JanusReply
  }

  /** A handle of a plugin: one connection of ours. */
  async attach(plugin: 'echotest' | 'videoroom'): Promise<JanusHandle> {
    const reply = await this.#request(this.#session, { janus: 'attach', plugin: `janus.plugin.${plugin}` })
    if (reply.data === undefined) throw new Error(`Janus does not attach: ${JSON.stringify(reply)}`)
    const { id } = reply.data
    return new JanusHandle(this, id, (body) => this.#request(`${this.#session}/${id}`, body))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#process.kill('SIGKILL')
    await this.#exited
  }
}

/** One connection of ours with a plugin. */
export class JanusHandle {
  readonly #janus: Janus
  readonly #id: number
  readonly #request: (body: object) => Promise<JanusReply>
  #seen = 0

  constructor(janus: Janus, id: number, request: (body: object) => Promise<JanusReply>) {
    this.#janus = janus
    this.#id = id
    this.#request = request
  }

  get events(): JanusEvent[] {
    return this.#janus.events.filter(({ sender }) => sender === this.#id)
  }

  /** Tells the plugin something, and answers what it says to that: the next event of it. */
  async message(body: object, jsep?: Offer | Answer): Promise<JanusEvent> {
    this.#seen = this.#said().length
    const reply = await this.#request({ janus: 'message', body, ...(jsep === undefined ? {} : { jsep }) })
    if (reply.janus === 'success') return reply
    if (reply.janus !== 'ack') throw new Error(`Janus: ${JSON.stringify(reply)}`)
    return this.next()
  }

  /** The event of the plugin that comes after those that were answered before. */
  async next(): Promise<JanusEvent> {
    await until(() => this.#said().length > this.#seen, 'the plugin to answer')
    const event = this.#said()[this.#seen++]!
    const data = event.plugindata!.data
    if ('error' in data) throw new Error(`Janus: ${JSON.stringify(data)}`)
    return event
  }

  #said(): JanusEvent[] {
    return this.events.filter(({ plugindata }) => plugindata !== undefined)
  }

  /** Has Janus end the connection. */
  async hangup(): Promise<void> {
    await this.#request({ janus: 'hangup' })
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('No port is free')
  return address.port
}
