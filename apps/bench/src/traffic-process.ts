// Sends messages or packets by one connection of one stack: the side that offers. It does a round each time that it is told to.
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { type Connection, Offerer } from './offerer.ts'
import { makePayload } from './packets.ts'
import { monotonicTime } from './signalling.ts'
import type { StackName } from './load-stack.ts'
import type { Flow, Purpose } from './stack.ts'

export interface TrafficOptions {
  readonly stack: StackName
  /** Of the side that answers, where it is another. */
  readonly other?: StackName
  readonly purpose: Purpose
  /** So many more peers have packets forwarded to them; 0: what arrives is not forwarded. */
  readonly subscribers: number
}

/**
 * `messages`: as fast as backpressure allows, for `duration` ms. `packets`: so many `bursts` of `burst` packets, one each ms, or as fast as the
 * sender's event loop turns.
 */
export type TrafficRound =
  | { readonly kind: 'messages'; readonly size: number; readonly duration: number }
  | {
      readonly kind: 'packets'
      readonly pace: 'each ms' | 'flat out'
      readonly burst: number
      readonly bursts: number
    }

export interface TrafficResult {
  readonly sent: number
  /** By the side that answers. */
  readonly received: number
  /** By the subscribers here. */
  readonly forwarded: number
  /** Until the last message has arrived, or the last packet was sent, ms. */
  readonly time: number
  /** ms. */
  readonly offererCpu: number
  readonly answererCpu: number
}

export type FromTraffic = { readonly result: TrafficResult } | { readonly error: string } | 'ready'

const TRIES = 3
const BURST_INTERVAL = 1
/** What is on its way at the end of a round arrives within so many ms. */
const TAIL = 30

const options = JSON.parse(process.argv[2]!) as TrafficOptions
let forwarded = 0

async function connect(): Promise<{ offerer: Offerer; flow: Flow }> {
  const offerer = await Offerer.start(options.stack, options.other)
  const subscribers: Connection[] = []
  for (let i = 0; i < options.subscribers; i++) {
    const onReceived = (): void => void forwarded++
    subscribers.push(await offerer.connect(TRIES, { purpose: 'subscription', onReceived }))
  }
  const connection = await offerer.connect(TRIES, { purpose: options.purpose })
  const flow = await connection.peer.flow()
  if (options.subscribers > 0) offerer.forward(connection, subscribers)
  return { offerer, flow }
}

/** Answers how many messages were taken. */
function sendMessages(flow: Flow, message: Uint8Array, duration: number): Promise<number> {
  const end = performance.now() + duration
  let sent = 0
  return new Promise((resolve) => {
    const pump = (): void => {
      while (performance.now() < end) {
        if (!flow.send(message)) {
          flow.onceWritable(pump)
          flow.flush()
          return
        }
        sent++
      }
      flow.flush()
      resolve(sent)
    }
    pump()
  })
}

async function sendPackets(
  flow: Flow,
  { pace, burst, bursts }: Extract<TrafficRound, { kind: 'packets' }>,
): Promise<number> {
  const payload = makePayload()
  for (let i = 0; i < bursts; i++) {
    for (let j = 0; j < burst; j++) flow.send(payload)
    flow.flush()
    await (pace === 'flat out' ? nextTurn() : sleep(BURST_INTERVAL))
  }
  return burst * bursts
}

async function run(
  { offerer, flow }: { offerer: Offerer; flow: Flow },
  round: TrafficRound,
): Promise<TrafficResult> {
  const before = await offerer.usage(false)
  forwarded = 0
  const start = monotonicTime()
  let sent = 0
  let end = start
  if (round.kind === 'messages') {
    sent = await sendMessages(flow, new Uint8Array(round.size).fill(0x5a), round.duration)
    end = await offerer.arrival(before.received + sent)
  } else {
    sent = await sendPackets(flow, round)
    end = monotonicTime()
    await sleep(TAIL)
  }
  const after = await offerer.usage(false)
  return {
    sent,
    received: after.received - before.received,
    forwarded,
    time: end - start,
    offererCpu: after.offerer.cpu - before.offerer.cpu,
    answererCpu: after.answerer.cpu - before.answerer.cpu,
  }
}

function say(message: FromTraffic): void {
  process.send?.(message)
}

const connected = connect()
connected.then(
  () => say('ready'),
  (error: unknown) => say({ error: String(error) }),
)
process.on('message', (message) => {
  connected
    .then(async (connection) => say({ result: await run(connection, message as TrafficRound) }))
    .catch((error: unknown) => say({ error: String(error) }))
})
process.on('disconnect', () => {
  connected.then(
    ({ offerer }) => {
      offerer.stop()
      process.exit(0)
    },
    () => process.exit(0),
  )
})
