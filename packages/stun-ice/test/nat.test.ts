import { type Datagram, type Host, Nat, type NatBehaviour, Network } from '@str0m/netem'
import { type Machine, type Output, OutputQueue } from '@str0m/sans-io'
import { describe, expect, test } from 'vitest'
import {
  Candidate,
  IceAgent,
  type IceReceive,
  parseStun,
  StunBinding,
  type StunBindingEvent,
  writeStun,
} from '../src/index.ts'
import { addAgent, areJoined, at, receive, seededCrypto, signalBoth } from './support.ts'

const SERVER = at('192.0.2.53', 3478)
const BEHAVIOURS: NatBehaviour[] = ['full-cone', 'restricted', 'port-restricted', 'symmetric']

/** A STUN server: answers each Binding request with where it came from. */
class StunServer implements Machine<never, Datagram> {
  readonly #outputs = new OutputQueue<Output<never, Datagram>>()
  errorCode: number | undefined

  handleInput(input: Parameters<Machine<never, Datagram>['handleInput']>[0] | IceReceive): void {
    if (input.kind !== 'receive' || !('source' in input)) return
    const request = parseStun(input.contents)
    if (typeof request === 'string') return
    const { transactionId } = request
    const contents = writeStun(
      this.errorCode === undefined
        ? { class: 'success', method: 1, transactionId, xorMappedAddress: input.source }
        : { class: 'error', method: 1, transactionId, errorCode: { code: this.errorCode, reason: '' } },
    )
    this.#outputs.push({ kind: 'transmit', source: SERVER, destination: input.source, contents })
  }

  pollOutput(): Output<never, Datagram> {
    return this.#outputs.shift() ?? { kind: 'timeout', at: Infinity }
  }
}

function addServer(network: Network): StunServer {
  const server = new StunServer()
  network.addHost(server, { name: 'server', addresses: [SERVER.address] }, receive)
  return server
}

/** What a host behind `nat` learns from the server, from the port that its agent will use. */
function gather(
  seed: number,
  base: string,
  nat: Nat,
  prepare?: (server: StunServer) => void,
): StunBindingEvent {
  const network = new Network({ seed, link: { latency: 20, loss: 0.2 } })
  prepare?.(addServer(network))
  const binding = new StunBinding({ server: SERVER, base, crypto: seededCrypto(seed) })
  const host = network.addHost(binding, { name: 'host', addresses: [binding.base.address], nat }, receive)
  network.runUntil(() => host.events.length > 0)
  return host.events[0]!.event
}

interface Side {
  readonly nat: Nat
  readonly agent: IceAgent
  readonly host: Host<IceAgent>
}

function side(network: Network, name: string, base: string, behaviour: NatBehaviour, index: number): Side {
  const nat = new Nat({ address: `203.0.113.${index}`, behaviour, firstPort: 40_000 + 1000 * index })
  const event = gather(network.seed + index, base, nat, () => {})
  const agent = new IceAgent({ crypto: seededCrypto(network.seed * 2 + index), controlling: index === 1 })
  agent.addLocalCandidate(Candidate.host(base))
  if (event.type === 'mapped') agent.addLocalCandidate(event.candidate)
  const host = addAgent(network, agent, { name, addresses: [base.split(':')[0]!], nat })
  return { nat, agent, host }
}

describe('NATs', () => {
  const matrix = BEHAVIOURS.flatMap((left) => BEHAVIOURS.map((right) => [left, right] as const))
  test.each(matrix)('%s to %s', (left, right) => {
    const network = new Network({ seed: 11, link: { latency: 15, loss: 0.05 } })
    addServer(network)
    const a = side(network, 'a', '10.0.0.1:5000', left, 1)
    const b = side(network, 'b', '10.0.1.1:5000', right, 2)
    signalBoth(a.agent, b.agent)
    // the two that STUN alone does not get through: the port that the peer sees is none that was signalled
    const hard = [left, right].every(
      (behaviour) => behaviour === 'symmetric' || behaviour === 'port-restricted',
    )
    const isHopeless = hard && (left === 'symmetric' || right === 'symmetric')
    if (isHopeless) {
      network.runUntil(() => a.agent.state === 'failed' && b.agent.state === 'failed')
    } else {
      network.runUntil(() => areJoined(a.agent, b.agent), 10_000)
    }
    expect(a.agent.selectedPair === undefined).toBe(isHopeless)
  })

  test('two hosts behind one NAT use their host candidates', () => {
    const network = new Network({ seed: 3, link: { latency: 2 } })
    const nat = new Nat({ address: '203.0.113.1', behaviour: 'port-restricted' })
    const make = (name: string, base: string, controlling: boolean): Host<IceAgent> => {
      const agent = new IceAgent({ crypto: seededCrypto(base.length + Number(controlling)), controlling })
      agent.addLocalCandidate(Candidate.host(base))
      return addAgent(network, agent, { name, addresses: [base.split(':')[0]!], nat })
    }
    const [a, b] = [make('a', '10.0.0.1:5000', true), make('b', '10.0.0.2:5000', false)]
    signalBoth(a.machine, b.machine)
    network.runUntil(() => areJoined(a.machine, b.machine), 1000)
    expect(a.machine.selectedPair?.remote.type).toBe('host')
  })

  test('a relayed candidate gets through where nothing else does', () => {
    const network = new Network({ seed: 12, link: { latency: 15 } })
    const relay = at('192.0.2.200', 50_000)
    const a = new IceAgent({ crypto: seededCrypto(1), controlling: true })
    // what the agent sends from the relay's address goes out there: here by a host that has both addresses
    a.addLocalCandidate(Candidate.relayed(relay, '203.0.113.1:41000'))
    addAgent(network, a, { name: 'a', addresses: ['10.0.0.1', relay.address] })
    const b = side(network, 'b', '10.0.1.1:5000', 'symmetric', 2)
    signalBoth(a, b.agent)
    network.runUntil(() => areJoined(a, b.agent), 5000)
    expect(a.selectedPair).toMatchObject({
      source: relay,
      local: { type: 'relay' },
      remote: { type: 'prflx' },
    })
  })
})

describe('a STUN binding', () => {
  const nat = (): Nat => new Nat({ address: '203.0.113.1', behaviour: 'symmetric' })

  test('tells the server-reflexive candidate, also at loss', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const event = gather(seed, '10.0.0.1:5000', nat(), () => {})
      expect(event).toMatchObject({
        type: 'mapped',
        candidate: {
          type: 'srflx',
          address: { address: '203.0.113.1', port: 40_000 },
          base: { address: '10.0.0.1', port: 5000 },
        },
      })
    }
  })

  test('fails on an error, and without an answer', () => {
    const refuse = (server: StunServer): void => {
      server.errorCode = 500
    }
    expect(gather(1, '10.0.0.1:5000', nat(), refuse)).toEqual({ type: 'failed', code: 500 })
    expect(gather(1, '10.0.0.1:5000', nat())).toEqual({ type: 'failed', code: undefined })
  })

  test.each([
    [0x7777, { type: 'failed', code: undefined }],
    // SOURCE-ADDRESS, of servers of RFC 3489
    [0x0004, { type: 'mapped' }],
  ] as const)('an answer with an attribute of type %i', (type, event) => {
    const binding = new StunBinding({ server: SERVER, base: '10.0.0.1:5000', crypto: seededCrypto(1) })
    binding.handleInput({ kind: 'timeout', now: 0 })
    const output = binding.pollOutput()
    if (output.kind !== 'transmit') throw new Error('no request')
    const transactionId = output.contents.slice(8, 20)
    const others = [{ type, value: Uint8Array.of(0, 1, 0, 1, 192, 0, 2, 9) }]
    const fields = { xorMappedAddress: at('203.0.113.1', 1), others }
    const contents = writeStun({ class: 'success', method: 1, transactionId, ...fields })
    binding.handleInput(receive(1, { source: SERVER, destination: output.source, contents }))
    expect(binding.pollOutput()).toMatchObject({ kind: 'event', event })
  })

  test('takes only what answers its request, from the server', () => {
    const unbound = { server: SERVER, base: '10.0.0.1:0' }
    expect(() => new StunBinding(unbound)).toThrow(expect.objectContaining({ code: 'invalid-address' }))
    const binding = new StunBinding({ server: SERVER, base: '10.0.0.1:5000', crypto: seededCrypto(1) })
    binding.handleInput({ kind: 'timeout', now: 0 })
    const output = binding.pollOutput()
    if (output.kind !== 'transmit') throw new Error('no request')
    const answer = (transactionId: Uint8Array): Uint8Array =>
      writeStun({ class: 'success', method: 1, transactionId, xorMappedAddress: at('203.0.113.1', 1) })
    const good = answer(output.contents.slice(8, 20))
    const give = (source: typeof SERVER, contents: Uint8Array): string => {
      binding.handleInput(receive(1, { source, destination: output.source, contents }))
      return binding.pollOutput().kind
    }
    expect(binding.accepts(good)).toBe(true)
    expect(binding.accepts(good.slice(0, 8))).toBe(false)
    expect(give(at('192.0.2.54', 3478), good)).toBe('timeout')
    expect(give(SERVER, answer(new Uint8Array(12)))).toBe('timeout')
    expect(give(SERVER, good.slice(0, 24))).toBe('timeout')
    expect(give(SERVER, good)).toBe('event')
    expect(binding.accepts(good)).toBe(false)
  })
})
