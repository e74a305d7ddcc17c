import { nativeCrypto, type CryptoProvider } from '@str0m/crypto'
import { SeededRandom } from '@str0m/sans-io'
import { Dtls, DtlsCertificate, type DtlsEvent, type DtlsOptions } from '@str0m/dtls'

/** A provider whose random bytes, and so all of whose answers, follow from `seed`. */
export function seededCrypto(seed: number): CryptoProvider {
  return nativeCrypto({ random: new SeededRandom(seed).fill })
}

export const CLIENT_CERTIFICATE: DtlsCertificate = DtlsCertificate.generate({ crypto: seededCrypto(1) })
export const SERVER_CERTIFICATE: DtlsCertificate = DtlsCertificate.generate({ crypto: seededCrypto(2) })

export function fingerprintsOf(
  certificate: Pick<DtlsCertificate, 'fingerprint'>,
): { algorithm: string; value: string }[] {
  return [{ algorithm: 'sha-256', value: certificate.fingerprint('sha-256') }]
}

export function makeClient(options: Partial<DtlsOptions> = {}, seed = 10): Dtls {
  return new Dtls({
    role: 'client',
    certificate: CLIENT_CERTIFICATE,
    crypto: seededCrypto(seed),
    remoteFingerprints: fingerprintsOf(SERVER_CERTIFICATE),
    ...options,
  })
}

export function makeServer(options: Partial<DtlsOptions> = {}, seed = 20): Dtls {
  return new Dtls({
    role: 'server',
    certificate: SERVER_CERTIFICATE,
    crypto: seededCrypto(seed),
    remoteFingerprints: fingerprintsOf(CLIENT_CERTIFICATE),
    cookie: 'off',
    ...options,
  })
}

export interface Drained {
  datagrams: Uint8Array[]
  events: DtlsEvent[]
  at: number
}

/** Polls until drained. */
export function drain(machine: Dtls): Drained {
  const datagrams: Uint8Array[] = []
  const events: DtlsEvent[] = []
  for (;;) {
    const output = machine.pollOutput()
    if (output.kind === 'timeout') return { datagrams, events, at: output.at }
    if (output.kind === 'transmit') datagrams.push(output.contents)
    else events.push(output.event)
  }
}

/** What lies between two machines: the datagrams that arrive for each one that is sent, and how much later. */
export type Path = (
  datagram: Uint8Array,
  to: 'client' | 'server',
) => { contents: Uint8Array; delay: number }[]

const DIRECT: Path = (contents) => [{ contents, delay: 1 }]

interface InFlight {
  at: number
  order: number
  to: 'client' | 'server'
  contents: Uint8Array
}

/** A client and a server, one clock in virtual time, and a path. */
export class Wire {
  readonly client: Dtls
  readonly server: Dtls
  readonly events: { client: DtlsEvent[]; server: DtlsEvent[] } = { client: [], server: [] }
  readonly sent: { client: Uint8Array[]; server: Uint8Array[] } = { client: [], server: [] }
  now = 0
  path: Path
  #inFlight: InFlight[] = []
  #order = 0

  constructor(client: Dtls = makeClient(), server: Dtls = makeServer(), path: Path = DIRECT) {
    this.client = client
    this.server = server
    this.path = path
  }

  /** Runs until both are connected, or `until` has come. */
  connect(until = 60_000): void {
    this.run(until, () => this.client.state === 'connected' && this.server.state === 'connected')
  }

  /** Runs until `until`, nothing is left to happen, or `done`. */
  run(until: number, done: () => boolean = () => false): void {
    for (let steps = 0; steps < 4000; steps++) {
      const at = Math.min(this.#collect('client'), this.#collect('server'))
      if (done()) return
      const next = this.#inFlight.toSorted((a, b) => a.at - b.at || a.order - b.order)[0]
      const wake = Math.min(at, next?.at ?? Infinity)
      if (wake > until || wake === Infinity) {
        this.now = Math.max(this.now, Math.min(until, wake))
        return
      }
      this.now = Math.max(this.now, wake)
      if (next !== undefined && next.at <= this.now) {
        this.#inFlight.splice(this.#inFlight.indexOf(next), 1)
        this[next.to].handleInput({ kind: 'receive', now: this.now, contents: next.contents })
      } else {
        this.client.handleInput({ kind: 'timeout', now: this.now })
        this.server.handleInput({ kind: 'timeout', now: this.now })
      }
    }
    throw new Error('the machines do not come to rest')
  }

  #collect(from: 'client' | 'server'): number {
    const { datagrams, events, at } = drain(this[from])
    this.events[from].push(...events)
    const to = from === 'client' ? 'server' : 'client'
    for (const datagram of datagrams) {
      this.sent[from].push(datagram.slice())
      for (const { contents, delay } of this.path(datagram.slice(), to)) {
        this.#inFlight.push({ at: this.now + delay, order: this.#order++, to, contents })
      }
    }
    return at
  }
}
