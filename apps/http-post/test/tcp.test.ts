import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Candidate, IceTcpFraming, Rtc, type RtcEvent } from '@str0m/rtc'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startTestServer, type TestServer, until } from './test-server.ts'

/** A caller that makes its connections itself, from an active candidate. */
class ActiveCaller {
  readonly rtc = new Rtc()
  readonly events: RtcEvent[] = []
  readonly #base = { address: '127.0.0.1', port: 9 }
  readonly #sockets = new Map<number, Socket>()
  #timer: NodeJS.Timeout | undefined

  constructor() {
    this.rtc.addLocalCandidate(Candidate.host(this.#base, 'tcp', { tcpType: 'active' }))
  }

  get connections(): readonly Socket[] {
    return [...this.#sockets.values()]
  }

  run(): void {
    for (;;) {
      const output = this.rtc.pollOutput()
      if (output.kind === 'transmit') {
        this.#socketTo(output.destination.port).write(IceTcpFraming.frame(output.contents))
      } else if (output.kind === 'event') {
        this.events.push(output.event)
      } else {
        clearTimeout(this.#timer)
        if (output.at === Infinity) return
        this.#timer = setTimeout(
          () => {
            this.rtc.handleInput({ kind: 'timeout', now: performance.now() })
            this.run()
          },
          Math.ceil(Math.max(0, output.at - performance.now())),
        )
        return
      }
    }
  }

  close(): void {
    this.rtc.close()
    this.run()
    clearTimeout(this.#timer)
    for (const socket of this.connections) socket.destroySoon()
  }

  #socketTo(port: number): Socket {
    const existing = this.#sockets.get(port)
    if (existing !== undefined) return existing
    const socket = connect({ host: '127.0.0.1', port, localAddress: this.#base.address, noDelay: true })
    const framing = new IceTcpFraming()
    this.#sockets.set(port, socket)
    socket.on('data', (part) => {
      for (const contents of framing.read(part)) {
        this.rtc.handleInput({
          kind: 'receive',
          now: performance.now(),
          proto: 'tcp',
          source: { address: '127.0.0.1', port },
          destination: this.#base,
          contents,
        })
      }
      this.run()
    })
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(port))
    return socket
  }
}

async function start(maxCalls = 10): Promise<TestServer & { readonly tcpPort: number }> {
  const server = await startTestServer({ tcpPort: 0, addresses: ['127.0.0.1'], maxCalls })
  onTestFinished(() => server.close())
  return { ...server, tcpPort: server.tcpPort! }
}

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

describe('media by TCP', () => {
  it('comes from who connects, also after the connection was lost', async () => {
    const server = await start()
    const caller = new ActiveCaller()
    onTestFinished(() => caller.close())
    const change = caller.rtc.createOffer()
    change.addMedia('audio', 'sendonly')
    const { answer } = server.calls.accept(change.apply())
    caller.rtc.pendingChanges()!.acceptAnswer(answer)
    caller.run()
    await until(() => caller.rtc.connected, 'the call')
    let frames = 0
    const write = (): boolean => {
      const [media] = caller.rtc.medias
      caller.rtc.handleInput({ kind: 'timeout', now: performance.now() })
      media!
        .writer(media!.codecs[0]!.pt)
        .write({ value: 960 * frames++, clockRate: 48_000 }, new Uint8Array(40).fill(1))
      caller.run()
      return server.frames.length >= 10
    }
    await until(write, 'sound')
    const [first] = caller.connections
    first!.destroy()
    await once(first!, 'close')
    const before = server.frames.length
    await until(() => {
      write()
      return server.frames.length > before + 10
    }, 'sound over another connection')
    expect(caller.connections).toHaveLength(1)
    expect(server.calls.size).toBe(1)
  })

  it('of a connection that begins with no check is not taken', async () => {
    const { tcpPort } = await start()
    const socket = await connected(tcpPort)
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.padEnd(0x4745 + 2))
    await once(socket, 'close')
  })

  it('is bounded: of more connections than calls could have, the last are closed', async () => {
    const { tcpPort } = await start(1)
    const sockets = await Promise.all(Array.from({ length: 4 }, () => connected(tcpPort)))
    const last = await connected(tcpPort)
    last.resume()
    await once(last, 'close')
    expect(sockets.every(({ destroyed }) => !destroyed)).toBe(true)
  })
})
