import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { canonicalIpAddress } from '@str0m/sans-io'

export interface Settings {
  /** The port of the HTTPS server; 0: any that is free. */
  readonly port: number
  /** The address that the HTTPS server listens on. */
  readonly host: string
  /** The port that media comes to; 0: any that is free. */
  readonly udpPort: number
  /** The addresses that browsers are told; empty: those of this machine. */
  readonly addresses: readonly string[]
  /** Where the certificate of the HTTPS server is kept. */
  readonly directory: string
  /** No line for each frame. */
  readonly quiet: boolean
}

export const USAGE = `Usage: npm start -- [options]

  --port N         port of the HTTPS server (3000, or $PORT)
  --host ADDRESS   address that it listens on (all, or $HOST)
  --udp-port N     port that media comes to (any free one, or $UDP_PORT)
  --address LIST   addresses that browsers are told, with commas between (those of
                   this machine, or $ADDRESS)
  --directory DIR  where the server's certificate is kept (.str0m beside the app, or $STR0M_DIRECTORY)
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
      address: { type: 'string' },
      directory: { type: 'string' },
      quiet: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  if (values.help === true) return 'help'
  const addresses = (values.address ?? environment['ADDRESS'] ?? '')
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '')
  for (const address of addresses) {
    if (canonicalIpAddress(address) === undefined) throw new Error(`--address: "${address}" is no IP address`)
  }
  return {
    port: readPort('--port', values.port ?? environment['PORT'] ?? '3000'),
    host: values.host ?? environment['HOST'] ?? '::',
    udpPort: readPort('--udp-port', values['udp-port'] ?? environment['UDP_PORT'] ?? '0'),
    addresses,
    directory:
      values.directory ??
      environment['STR0M_DIRECTORY'] ??
      join(dirname(fileURLToPath(import.meta.url)), '..', '.str0m'),
    quiet: values.quiet ?? false,
  }
}

function readPort(name: string, text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65535) throw new Error(`${name}: "${text}" is no port (0 to 65535)`)
  return port
}
