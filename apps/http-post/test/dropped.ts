import type { Rtc } from '@str0m/rtc'

/** What is dropped of a peer that means well. */
const HARMLESS: ReadonlySet<string> = new Set([
  // an answer to a check went another way than the check: one socket serves all addresses of this machine, and the system chooses from which it sends
  'asymmetric',
  // DTLS that was faster than the checks
  'unvalidatedPath',
  // what was said twice, in case the first was lost
  'replayed',
  'duplicate',
  'plaintext-after-handshake',
  // padding that probes the path, as a retransmission of an encoding that has not begun
  'unknownStream',
])

/**
 * Throws an `Error` that says what an `Rtc` has dropped, and why. Where it is anything else, one of the two sides took the protocol wrongly.
 */
export function demandNoneDropped({ statistics }: Rtc): void {
  const { dropped, ice, dtls, srtpReceived, sctp } = statistics
  const places: Record<string, Readonly<Partial<Record<string, number>>> | undefined> = {
    rtc: dropped,
    ice: ice.dropped,
    dtls: dtls?.dropped,
    srtp: srtpReceived?.dropped,
    sctp: sctp?.dropped,
  }
  const all: string[] = []
  for (const [place, counts = {}] of Object.entries(places)) {
    for (const [reason, count = 0] of Object.entries(counts)) {
      if (count > 0 && !HARMLESS.has(reason)) all.push(`${place}: ${count} ${reason}`)
    }
  }
  if (all.length > 0) throw new Error(`Dropped, of a peer that means well: ${all.join(', ')}`)
}
