import { createServer, type Server, type Socket } from 'node:net'
import { IceTcpFraming } from '@str0m/rtc'
import type { SocketAddress } from '@str0m/sans-io'
import { isError } from './http.ts'

/** Who says nothing for so long is gone, ms: a peer asks for consent every few seconds. */
const SILENCE = 30_000
/** Bytes that wait in one connection, beyond which what is to be sent is dropped: media that comes too late is of no use. */
const MAX_WAITING = 512 * 1024

/** The connections of peers that no UDP reaches, RFC 6544: all come to one port, and what goes over them is framed. */
export class MediaConnections {
  readonly #server: Server
  /** By the address and port of the peer. */
  readonly #sockets = new Map<string, Socket>()
  onDatagram: (contents: Uint8Array, source: SocketAddress) => void = () => {}

  private constructor(server: Server, limit: number) {
    this.#server = server
    server.maxConnections = limit
    server.on('connection', (socket) => this.#accept(socket))
  }

  /** `limit`: how many there are at once, at most. Rejects with an `Error` that says what is in the way, such as a port that is taken. */
  static listen(port: number, limit: number): Promise<MediaConnections> {
    const server = createServer({ noDelay: true })
    return new Promise((resolve, reject) => {
      server.once('error', (error) => {
        reject(
          isError(error, 'EADDRINUSE')
            ? new Error(`TCP port ${port} is taken: choose another by --tcp-port`, { cause: error })
            : error,
        )
      })
      server.listen(port, () => resolve(new MediaConnections(server, limit)))
    })
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Over the connection that the peer has made; without one it is dropped. */
  send(contents: Uint8Array, destination: SocketAddress): void {
    const socket = this.#sockets.get(keyOf(destination))
    if (socket !== undefined && socket.writableLength < MAX_WAITING)
      socket.write(IceTcpFraming.frame(contents))
  }

  /** What was given to it is sent first. */
  close(): void {
    this.#server.close()
    for (const socket of this.#sockets.values()) socket.destroySoon()
  }

  #accept(socket: Socket): void {
    const { remoteAddress, remotePort } = socket
    // it may be gone already
    if (remoteAddress === undefined || remotePort === undefined) return
    const source = { address: remoteAddress.replace(/^::ffff:/, ''), port: remotePort }
    const framing = new IceTcpFraming()
    let begun = false
    this.#sockets.set(keyOf(source), socket)
    socket.setTimeout(SILENCE, () => socket.destroy())
    socket.on('data', (part) => {
      for (const contents of framing.read(part)) {
        // a peer begins with a check (RFC 7983 section 7): this is something else
        if (!begun && contents[0]! > 3) return void socket.destroy()
        begun = true
        this.onDatagram(contents, source)
      }
    })
    socket.on('close', () => this.#sockets.delete(keyOf(source)))
    // that it is broken is ICE's matter: the peer connects again, or its consent ends
    socket.on('error', () => socket.destroy())
  }
}

function keyOf({ address, port }: SocketAddress): string {
  return `${address} ${port}`
}
