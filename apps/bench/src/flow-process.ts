// The side that sends packets, a thousand bursts a second; it starts the process that receives them.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { finish, startChild } from './child.ts'
import { contextFor, type FromReceiver, type ToReceiver, type Variant, VARIANTS } from './flow-variants.ts'
import { makePacket, PACKET_LENGTH, setSequenceNumber } from './packets.ts'
import { readUsage } from './signalling.ts'

/** CPU µs a packet of each round. */
export interface FlowResult {
  readonly sent: Record<Variant, number[]>
  readonly received: Record<Variant, number[]>
  /** The share of all packets that did not arrive. */
  readonly lost: number
}

const SSRC = 0x5712_0003
const BURST = 32
/** ms. */
const BURST_INTERVAL = 1
/** What is on its way at the end of a round arrives within so many ms. */
const TAIL = 20
const WARM_UP = 2

const [rounds, bursts] = process.argv.slice(2).map(Number) as [number, number]
const receiver = startChild('./flow-receiver-process.js', [])
const socket = createSocket('udp4')
await new Promise<void>((resolve) => {
  socket.bind(0, '127.0.0.1', resolve)
})
const ready = await hear('ready')
const streams = Object.fromEntries(
  VARIANTS.map((variant) => [variant, { context: contextFor(variant), sequenceNumber: 0 }]),
)

async function hear<K extends FromReceiver['kind']>(kind: K): Promise<Extract<FromReceiver, { kind: K }>> {
  const [message] = (await once(receiver, 'message')) as [FromReceiver]
  if (message.kind !== kind) throw new Error(`The receiver says ${message.kind}, not ${kind}`)
  return message as Extract<FromReceiver, { kind: K }>
}

function tell(message: ToReceiver): void {
  receiver.send(message)
}

function sendBurst(variant: Variant): void {
  const stream = streams[variant]!
  for (let i = 0; i < BURST; i++) {
    // a buffer each, as a program has it: the socket may hold it for a while
    const packet = makePacket(SSRC, stream.context?.rtpOverhead ?? 0)
    setSequenceNumber(packet, stream.sequenceNumber++ & 0xffff)
    stream.context?.protectRtp(packet, PACKET_LENGTH)
    socket.send(packet, ready.port, '127.0.0.1')
  }
}

const sent: Record<string, number[]> = {}
const received: Record<string, number[]> = {}
let sentCount = 0
let receivedCount = 0
for (let round = -WARM_UP; round < rounds; round++) {
  for (let i = 0; i < VARIANTS.length; i++) {
    const variant = VARIANTS[(i + round + WARM_UP) % VARIANTS.length]!
    const begun = hear('begun')
    tell({ kind: 'begin', variant })
    await begun
    const before = readUsage(false).cpu
    for (let burst = 0; burst < bursts; burst++) {
      sendBurst(variant)
      await sleep(BURST_INTERVAL)
    }
    const cpu = readUsage(false).cpu - before
    await sleep(TAIL)
    const ended = hear('ended')
    tell({ kind: 'end' })
    const result = await ended
    if (round < 0) continue
    ;(sent[variant] ??= []).push((1000 * cpu) / (bursts * BURST))
    ;(received[variant] ??= []).push((1000 * result.cpu) / result.received)
    sentCount += bursts * BURST
    receivedCount += result.received
  }
}
receiver.kill('SIGKILL')
socket.close()
finish({ sent, received, lost: 1 - receivedCount / sentCount })
