import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'

/** A TURN server of its own, for as long as a test takes. */
export interface Coturn {
  readonly address: string
  readonly port: number
  readonly url: string
  readonly username: string
  readonly credential: string
  /** What it has written so far. */
  log(): string
  stop(): Promise<void>
}

export function hasCoturn(): boolean {
  return spawnSync('turnserver', ['--version']).error === undefined
}

/** Starts coturn, by default on a free port, with more flags. Not on loopback: Firefox sends nothing there. */
export async function startCoturn(
  flags: readonly string[] = ['--no-tls', '--no-dtls'],
  samePort?: number,
): Promise<Coturn> {
  const address = ownAddress()
  const port = samePort ?? (await freePort(address))
  const [username, credential] = ['relay', 'relayed']
  const server = spawn(
    'turnserver',
    [
      '-n',
      `--listening-ip=${address}`,
      `--relay-ip=${address}`,
      `--listening-port=${port}`,
      '--lt-cred-mech',
      `--user=${username}:${credential}`,
      '--realm=str0m.test',
      '--no-cli',
      '--allow-loopback-peers',
      '--log-file=stdout',
      '--pidfile=',
      '--verbose',
      ...flags,
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  let log = ''
  server.stdout.setEncoding('utf8').on('data', (text: string) => (log += text))
  const exited = once(server, 'exit')
  await answering(address, port)
  return {
    address,
    port,
    log: () => log,
    url: `turn:${address}:${port}`,
    username,
    credential,
    stop: async () => {
      server.kill('SIGKILL')
      await exited
    },
  }
}

function ownAddress(): string {
  for (const entries of Object.values(networkInterfaces())) {
    for (const { family, internal, address } of entries ?? []) {
      if (family === 'IPv4' && !internal) return address
    }
  }
  return '127.0.0.1'
}

async function freePort(address: string): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, address)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

/** Waits until it answers a binding request (RFC 8489 section 3). */
async function answering(address: string, port: number): Promise<void> {
  const socket = createSocket('udp4')
  const request = Buffer.alloc(20)
  request.writeUInt16BE(0x0001, 0)
  request.writeUInt32BE(0x2112_a442, 4)
  try {
    for (let tries = 0; tries < 600; tries++) {
      socket.send(request, port, address)
      const answered = await Promise.race([
        once(socket, 'message').then(() => true),
        new Promise<boolean>((resolve) => {
          setTimeout(() => resolve(false), 100)
        }),
      ])
      if (answered) return
    }
    throw new Error('coturn does not answer')
  } finally {
    socket.close()
  }
}
