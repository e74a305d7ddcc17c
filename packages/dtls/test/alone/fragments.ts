// How much a server keeps of fragments, in a process of its own: what each of the feeds makes its memory grow by.
import { MESSAGE_LENGTH_MAX, MESSAGE_SEQUENCE_LIMIT } from '../../src/reassembly.ts'
import { fragmentRecord } from '../fragment-record.ts'
import { makeServer } from '../support.ts'

const RUNS = 15
const DATAGRAMS = 100
const SIXTEEN_MEGABYTES = 0xff_ffff
const body = new Uint8Array(1000)

const FEEDS: Readonly<Record<string, (index: number) => Uint8Array>> = {
  'of 16 MB': (i) => fragmentRecord(1, SIXTEEN_MEGABYTES, i % 4, 0, body),
  'of 16 MB, in another place of the message each time, and of messages ahead': (i) =>
    fragmentRecord(11, SIXTEEN_MEGABYTES, i % MESSAGE_SEQUENCE_LIMIT, i * 100_000, body),
  'of as much as is taken, each another message': (i) =>
    fragmentRecord(11, MESSAGE_LENGTH_MAX - i, i % MESSAGE_SEQUENCE_LIMIT, i * 100, body),
  'of one byte each': (i) =>
    fragmentRecord(11, MESSAGE_LENGTH_MAX, i % MESSAGE_SEQUENCE_LIMIT, i * 160, body.subarray(0, 1)),
}

/** Bytes that are reachable: the heap, and the buffers beside it. */
function bytesInUse(): number {
  // buffers are let go of by the second
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** The median of some runs. */
function growth(datagram: (index: number) => Uint8Array): number {
  const grown: number[] = []
  for (let run = 0; run < RUNS; run++) {
    const server = makeServer()
    // there before and after, so that only what is kept of them counts
    const datagrams = Array.from({ length: DATAGRAMS }, (_, i) => datagram(i))
    const before = bytesInUse()
    for (const contents of datagrams) server.handleInput({ kind: 'receive', now: 0, contents })
    grown.push(bytesInUse() - before)
    if (server.state !== 'new' || datagrams.length !== DATAGRAMS) throw new Error('the server has gone on')
  }
  return grown.toSorted((a, b) => a - b)[RUNS >> 1]!
}

console.log(
  JSON.stringify(Object.fromEntries(Object.entries(FEEDS).map(([name, feed]) => [name, growth(feed)]))),
)
