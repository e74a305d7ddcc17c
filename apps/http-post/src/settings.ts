import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readPort } from '@str0m/demo-kit'
import { canonicalIpAddress } from '@str0m/sans-io'
import { isBearerToken } from './authorization.ts'
import { type IceServer, parseIceServers } from './ice-servers.ts'

export interface Settings {
  /** The port of the HTTPS server; 0: any that is free. */
  readonly port: number
  /** The address that the HTTPS server listens on. */
  readonly host: string
  /** The port that media comes to; 0: any that is free. */
  readonly udpPort: number
  /** The port that media comes to by TCP, where a network lets no UDP through; 0: any that is free; `undefined`: none. */
  readonly tcpPort: number | undefined
  /** The addresses that browsers are told; empty: those of this machine. */
  readonly addresses: readonly string[]
  /** Where the certificate of the HTTPS server is kept. */
  readonly directory: string
  /** What callers show to be let in; `undefined`: all may call. */
  readonly token: string | undefined
  /** What callers are told of STUN and TURN. */
  readonly iceServers: readonly IceServer[]
  /** How many calls there are at once, at most. */
  readonly maxCalls: number
  /** Whether others may watch the latest call. */
  readonly whep: boolean
  /** No line for each frame. */
  readonly quiet: boolean
}

const DEFAULT_MAX_CALLS = 1000

export const USAGE = `Usage: npm start -- [options]

  --port N         port of the HTTPS server (3000, or $PORT)
  --host ADDRESS   address that it listens on (all, or $HOST)
  --udp-port N     port that media comes to (any free one, or $UDP_PORT)
  --tcp-port N     port that media comes to by TCP, where a network lets no UDP through
                   (none, or $TCP_PORT)
  --address LIST   addresses that browsers are told, with commas between (those of
                   this machine, or $ADDRESS)
  --directory DIR  where the server's certificate is kept (.str0m beside the app, or $STR0M_DIRECTORY)
  --token TOKEN    what callers show as bearer token (all may call, or $STR0M_TOKEN, which other
                   users of this machine do not see)
  --ice-server LIST  STUN and TURN servers that callers are told, with commas between:
                   stun:HOST, or "turn:HOST?transport=udp USERNAME CREDENTIAL"
                   (none, or $ICE_SERVER)
  --max-calls N    calls at once (1000, or $MAX_CALLS)
  --whep           let all who may call watch the latest call, at /whep (or $WHEP=1)
  --quiet          print no line for each frame
  --help           print this`

/** Reads flags, and the environment where there are none. Throws an `Error` that says what is wrong. */
export function parseSettings(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Settings | 'help' {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== '--'),
    options: {
      port: { type: 'string' },
      host: { type: 'string' },
      'udp-port': { type: 'string' },
      'tcp-port': { type: 'string' },
      address: { type: 'string' },
      directory: { type: 'string' },
      token: { type: 'string' },
      'ice-server': { type: 'string' },
      'max-calls': { type: 'string' },
      whep: { type: 'boolean' },
      quiet: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  if (values.help === true) return 'help'
  const addresses = (values.address ?? environment['ADDRESS'] ?? '')
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '')
  for (const address of addresses) checkAddress(address)
  const host = values.host ?? environment['HOST'] ?? '::'
  if (host === '') throw new Error('--host: give the address to listen on, or leave it out')
  const tcpPort = values['tcp-port'] ?? environment['TCP_PORT']
  const token = values.token ?? environment['STR0M_TOKEN']
  if (token !== undefined && !isBearerToken(token)) {
    // an empty one too: who sets it does not want a server that is open
    throw new Error('--token: a token is of letters, digits and "-._~+/", with "=" at its end at most')
  }
  return {
    port: readPort('--port', values.port ?? environment['PORT'] ?? '3000'),
    host,
    udpPort: readPort('--udp-port', values['udp-port'] ?? environment['UDP_PORT'] ?? '0'),
    tcpPort: tcpPort === undefined ? undefined : readPort('--tcp-port', tcpPort),
    addresses,
    directory:
      values.directory ??
      environment['STR0M_DIRECTORY'] ??
      join(dirname(fileURLToPath(import.meta.url)), '..', '.str0m'),
    token,
    iceServers: parseIceServers('--ice-server', values['ice-server'] ?? environment['ICE_SERVER'] ?? ''),
    maxCalls: readCount('--max-calls', values['max-calls'] ?? environment['MAX_CALLS'], DEFAULT_MAX_CALLS),
    whep: values.whep ?? environment['WHEP'] === '1',
    quiet: values.quiet ?? false,
  }
}

/** Where browsers are told to send. Throws an `Error` for what they cannot. */
function checkAddress(text: string): void {
  const address = canonicalIpAddress(text)
  if (address === undefined) throw new Error(`--address: "${text}" is no IP address`)
  if (address === '0.0.0.0' || address === '::' || address.includes('%')) {
    throw new Error(`--address: "${text}" is not where a browser could send to`)
  }
}

function readCount(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  const count = Number(text)
  if (!/^\d{1,9}$/.test(text) || count === 0) throw new Error(`${name}: "${text}" is no number above 0`)
  return count
}
