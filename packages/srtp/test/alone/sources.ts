// How much a receiver keeps of packets of sources that nobody has authenticated, in a process of its own.
import { setFlagsFromString } from 'node:v8'
import { SrtpContext } from '../../src/index.ts'

// code that is optimized, and let go of again, takes more of the heap than what is looked for
for (const flag of ['--no-opt', '--no-maglev', '--no-flush-bytecode']) setFlagsFromString(flag)

const RUNS = 5
const PACKETS = 20_000
/** So few that what they grow the heap by is not theirs, but the context's own. */
const BASELINE_PACKETS = 200

type Unprotect = 'unprotectRtp' | 'unprotectRtcp'

/** Bytes that are reachable: the heap, and the buffers beside it. */
function bytesInUse(): number {
  // buffers are let go of by the second
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** What a receiver grows by with so many packets, each of a source of its own. */
function grownBy(packets: number, unprotect: Unprotect, packet: Uint8Array, ssrcAt: number): number {
  const view = new DataView(packet.buffer)
  const receiver = new SrtpContext({
    profile: 'AEAD_AES_128_GCM',
    masterKey: new Uint8Array(16).fill(1),
    masterSalt: new Uint8Array(12).fill(2),
  })
  const before = bytesInUse()
  for (let i = 0; i < packets; i++) {
    view.setUint32(ssrcAt, (i * 2_654_435_761) >>> 0)
    if (receiver[unprotect](packet) >= 0) throw new Error('a forged packet was taken')
  }
  const grown = bytesInUse() - before
  if (receiver.statistics.dropped.authenticationFailed !== packets) throw new Error('not all were looked at')
  return grown
}

/** What many sources grow it by over a few: the median of some runs, after one in which the code is compiled. */
function growth(unprotect: Unprotect, packet: Uint8Array, ssrcAt: number): number {
  grownBy(PACKETS, unprotect, packet, ssrcAt)
  const differences = Array.from({ length: RUNS }, () => {
    const few = grownBy(BASELINE_PACKETS, unprotect, packet, ssrcAt)
    return grownBy(PACKETS, unprotect, packet, ssrcAt) - few
  })
  return differences.toSorted((a, b) => a - b)[RUNS >> 1]!
}

/** Of version 2, with 30 bytes that no key has made. */
const rtp = new Uint8Array([0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, ...new Uint8Array(30)])
/** A receiver report, and an index that says that it is encrypted. */
const rtcp = new Uint8Array([0x80, 201, 0, 1, 0, 0, 0, 0, ...new Uint8Array(24), 0x80, 0, 0, 1])
console.log(JSON.stringify({ rtp: growth('unprotectRtp', rtp, 8), rtcp: growth('unprotectRtcp', rtcp, 4) }))
