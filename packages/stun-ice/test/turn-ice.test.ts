import { type Datagram, type Host, Nat, type NatBehaviour, Network } from '@str0m/netem'
import {
  type Instant,
  type Machine,
  type Output,
  OutputQueue,
  type SocketAddress,
  type TimeoutInput,
} from '@str0m/sans-io'
import { describe, expect, test } from 'vitest'
import { Candidate, IceAgent, type IceReceive, TurnClient } from '../src/index.ts'
import { areJoined, at, receive, seededCrypto, signalBoth } from './support.ts'
import { TurnServer } from './turn-server.ts'
import { USER } from './turn-support.ts'

/** An agent and a TURN client on one socket, joined as the README has it, and data where a pair is selected. */
class RelayedAgent implements Machine<never, Datagram, TimeoutInput | IceReceive> {
  readonly ice: IceAgent
  readonly turn: TurnClient
  readonly received: Uint8Array[] = []
  readonly #outputs = new OutputQueue<Datagram>()
  #at: Instant = Number.NEGATIVE_INFINITY

  constructor(ice: IceAgent, turn: TurnClient) {
    this.ice = ice
    this.turn = turn
  }

  handleInput(input: TimeoutInput | IceReceive): void {
    if (input.kind === 'timeout') this.ice.handleInput(input)
    else if (this.turn.accepts(input.source)) this.turn.handleInput(input)
    else this.#toAgent(input)
    this.#pump(input.now)
  }

  send(now: Instant, contents: Uint8Array): void {
    const { source, destination } = this.ice.selectedPair!
    this.#transmit({ kind: 'transmit', source, destination, contents })
    this.#pump(now)
  }

  pollOutput(): Output<never, Datagram> {
    return this.#outputs.shift() ?? { kind: 'timeout', at: this.#at }
  }

  /** What is not STUN goes past the agent. */
  #toAgent(input: IceReceive): void {
    if (input.contents[0]! < 4) this.ice.handleInput(input)
    else if (this.ice.isValidatedPath(input)) this.received.push(input.contents)
  }

  #transmit(datagram: Datagram): void {
    if (!this.turn.relay(datagram)) this.#outputs.push(datagram)
  }

  /** The agent first: what it sends may be something to do for the client. */
  #pump(now: Instant): void {
    for (let ice = this.ice.pollOutput(); ; ice = this.ice.pollOutput()) {
      if (ice.kind === 'transmit') this.#transmit(ice)
      if (ice.kind !== 'timeout') continue
      this.turn.handleInput({ kind: 'timeout', now })
      const at = this.#pumpTurn()
      this.#at = Math.min(ice.at, at)
      if (at !== Number.NEGATIVE_INFINITY) return
    }
  }

  /** When the client is due next, or -∞ where the agent was given something. */
  #pumpTurn(): Instant {
    let isChanged = false
    for (;;) {
      const output = this.turn.pollOutput()
      if (output.kind === 'timeout') return isChanged ? Number.NEGATIVE_INFINITY : output.at
      if (output.kind === 'transmit') {
        this.#outputs.push(output)
      } else if (output.event.type === 'datagram') {
        this.#toAgent(output.event)
        isChanged = true
      } else if (output.event.type === 'allocated') {
        for (const candidate of output.event.candidates) this.ice.addLocalCandidate(candidate)
        isChanged = true
      }
    }
  }
}

interface Sides {
  readonly network: Network
  readonly a: Host<RelayedAgent>
  readonly b: Host<RelayedAgent>
  readonly servers: readonly TurnServer[]
}

function sides(
  seed: number,
  behaviours: readonly NatBehaviour[],
  addresses: readonly SocketAddress[],
): Sides {
  const network = new Network({ seed, link: { latency: 15, loss: 0.05 } })
  const servers = addresses.map((address, index) => {
    const server = new TurnServer({ address, ...USER, firstPort: 50_000 + 1000 * index })
    network.addHost(server, { name: `server ${index}`, addresses: [address.address] }, receive)
    return server
  })
  const [a, b] = behaviours.map((behaviour, index) => {
    const crypto = seededCrypto(seed * 2 + index)
    const base = at(`10.0.${index}.1`, 5000)
    const ice = new IceAgent({ crypto, controlling: index === 0 })
    ice.addLocalCandidate(Candidate.host(base))
    const server = addresses[index % addresses.length]!
    const turn = new TurnClient({ server, base, ...USER, crypto })
    const nat = new Nat({ address: `203.0.113.${index}`, behaviour, firstPort: 40_000 + 1000 * index })
    const options = { name: `agent ${index}`, addresses: [base.address], nat }
    return network.addHost(new RelayedAgent(ice, turn), options, receive)
  })
  return { network, a: a!, b: b!, servers }
}

describe('two agents that only relayed candidates join', () => {
  test.each([
    ['on one server', ['symmetric', 'symmetric'], [at('192.0.2.53', 3478)]],
    ['on two servers', ['symmetric', 'symmetric'], [at('192.0.2.53', 3478), at('192.0.2.54', 3478)]],
    ['one with ports restricted', ['symmetric', 'port-restricted'], [at('192.0.2.53', 3478)]],
  ] as const)('%s: data goes both ways for twenty minutes', (_name, behaviours, addresses) => {
    for (let seed = 1; seed <= 3; seed++) {
      const { network, a, b, servers } = sides(seed, behaviours, addresses)
      const isAllocated = (): boolean => [a, b].every(({ machine }) => machine.turn.state === 'allocated')
      network.runUntil(isAllocated, 20_000)
      signalBoth(a.machine.ice, b.machine.ice)
      for (const { machine } of [a, b]) machine.handleInput({ kind: 'timeout', now: network.now })
      network.runUntil(() => areJoined(a.machine.ice, b.machine.ice), 15_000)
      const types = [a, b].map(({ machine }) => machine.ice.selectedPair!.local.type)
      expect(types, `seed ${seed}`).toContain('relay')
      for (let i = 0; i < 240; i++) {
        for (const { machine } of [a, b]) machine.send(network.now, Uint8Array.of(200, i))
        network.runFor(5000)
      }
      for (const { machine } of [a, b]) {
        // of four links at most, each loses one in twenty
        expect(machine.received.length, `seed ${seed}`).toBeGreaterThan(180)
        expect(machine.ice.state, `seed ${seed}`).toBe('completed')
        expect(machine.turn.statistics.dropped, `seed ${seed}`).toMatchObject({ permission: 0, limit: 0 })
      }
      expect(
        servers.every(({ badBindings }) => badBindings === 0),
        `seed ${seed}`,
      ).toBe(true)
    }
  })
})
