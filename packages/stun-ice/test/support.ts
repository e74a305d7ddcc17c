import { type CryptoProvider, nativeCrypto } from '@str0m/crypto'
import { type Datagram, type Host, type HostOptions, type LinkOptions, Network, Pair } from '@str0m/netem'
import { type Instant, SeededRandom, type SocketAddress } from '@str0m/sans-io'
import {
  Candidate,
  IceAgent,
  type IceAgentOptions,
  type IcePath,
  type IceReceive,
  type IceTransmit,
} from '../src/index.ts'

export function seededCrypto(seed: number): CryptoProvider {
  return nativeCrypto({ random: new SeededRandom(seed).fill })
}

export function receive(now: Instant, { source, destination, contents }: Omit<Datagram, 'kind'>): IceReceive {
  return { kind: 'receive', now, proto: 'udp', source, destination, contents }
}

export function path(
  source: SocketAddress,
  destination: SocketAddress,
  proto: IcePath['proto'] = 'udp',
): IcePath {
  return { proto, source, destination }
}

export const A = { address: '192.0.2.1', port: 5000 }
export const B = { address: '198.51.100.2', port: 6000 }

export interface PairSetup {
  readonly seed?: number
  readonly link?: LinkOptions
  readonly a?: IceAgentOptions
  readonly b?: IceAgentOptions
}

/** Two agents, the first controlling, each with a host candidate, on a pair of links. Nothing is signalled yet. */
export function agents({ seed = 1, link = { latency: 10 }, a, b }: PairSetup = {}): Pair<IceAgent> {
  const first = new IceAgent({ crypto: seededCrypto(seed * 2), controlling: true, ...a })
  const second = new IceAgent({ crypto: seededCrypto(seed * 2 + 1), ...b })
  first.addLocalCandidate(Candidate.host(A))
  second.addLocalCandidate(Candidate.host(B))
  return new Pair(first, second, { seed, link, receive })
}

/** Tells `to` the credentials and the candidates of `from`, as signalling does. */
export function signal(from: IceAgent, to: IceAgent): void {
  to.setRemoteCredentials(from.localCredentials)
  for (const candidate of from.localCandidates) {
    const parsed = Candidate.parse(candidate.toString())
    if (parsed === undefined) throw new Error(`${candidate.toString()} is not parsed`)
    to.addRemoteCandidate(parsed)
  }
  to.endOfRemoteCandidates()
}

export function signalBoth(a: IceAgent, b: IceAgent): void {
  signal(a, b)
  signal(b, a)
}

/** Both agents send on one nominated pair, each as the other sees it. */
export function areJoined(a: IceAgent, b: IceAgent): boolean {
  const [left, right] = [a.selectedPair, b.selectedPair]
  return (
    left?.nominated === true &&
    right?.nominated === true &&
    left.local.address.port === right.remote.address.port &&
    left.local.address.address === right.remote.address.address &&
    right.local.address.port === left.remote.address.port
  )
}

/** A pair that is joined. */
export function joined(setup?: PairSetup): Pair<IceAgent> {
  const pair = agents(setup)
  signalBoth(pair.a.machine, pair.b.machine)
  pair.runUntil(() => areJoined(pair.a.machine, pair.b.machine), 120_000)
  return pair
}

export function addAgent(network: Network, agent: IceAgent, options: HostOptions): Host<IceAgent> {
  return network.addHost(agent, options, receive)
}

/** All that the agent has to send. Its events are dropped. */
export function sent(agent: IceAgent): IceTransmit[] {
  const datagrams: IceTransmit[] = []
  for (let output = agent.pollOutput(); output.kind !== 'timeout'; output = agent.pollOutput()) {
    if (output.kind === 'transmit') datagrams.push(output)
  }
  return datagrams
}

export function nextAt(agent: IceAgent): Instant {
  for (;;) {
    const output = agent.pollOutput()
    if (output.kind === 'timeout') return output.at
  }
}

export function at(address: string, port: number): SocketAddress {
  return { address, port }
}
