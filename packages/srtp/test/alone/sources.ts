// How much a receiver keeps of packets of sources that nobody has authenticated, in a process of its own.
import { SrtpContext } from '../../src/index.ts'

const RUNS = 5
const PACKETS = 20_000

/** Bytes that are reachable: the heap, and the buffers beside it. */
function bytesInUse(): number {
  // buffers are let go of by the second
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** The median of some runs. */
function growth(unprotect: 'unprotectRtp' | 'unprotectRtcp', packet: Uint8Array, ssrcAt: number): number {
  const grown: number[] = []
  const view = new DataView(packet.buffer)
  for (let run = 0; run < RUNS; run++) {
    const receiver = new SrtpContext({
      profile: 'AEAD_AES_128_GCM',
      masterKey: new Uint8Array(16).fill(1),
      masterSalt: new Uint8Array(12).fill(2),
    })
    const before = bytesInUse()
    for (let i = 0; i < PACKETS; i++) {
      view.setUint32(ssrcAt, (i * 2_654_435_761) >>> 0)
      if (receiver[unprotect](packet) >= 0) throw new Error('a forged packet was taken')
    }
    grown.push(bytesInUse() - before)
    if (receiver.statistics.dropped.authenticationFailed !== PACKETS)
      throw new Error('not all were looked at')
  }
  return grown.toSorted((a, b) => a - b)[RUNS >> 1]!
}

/** Of version 2, with 30 bytes that no key has made. */
const rtp = new Uint8Array([0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, ...new Uint8Array(30)])
/** A receiver report, and an index that says that it is encrypted. */
const rtcp = new Uint8Array([0x80, 201, 0, 1, 0, 0, 0, 0, ...new Uint8Array(24), 0x80, 0, 0, 1])
console.log(JSON.stringify({ rtp: growth('unprotectRtp', rtp, 8), rtcp: growth('unprotectRtcp', rtcp, 4) }))
