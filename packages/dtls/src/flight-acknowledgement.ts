import type { Instant } from '@str0m/sans-io'
import type { ConnectionContext } from './connection.ts'
import type { FlightItem } from './flight.ts'
import { parseAcknowledgement } from './wire/acknowledgement.ts'

/** Takes an ACK of the peer for a flight that is being sent, RFC 9147 section 7.2. */
export function acknowledgeFlight(
  context: ConnectionContext,
  items: readonly FlightItem[],
  body: Uint8Array,
  now: Instant,
): void {
  const { counters, flight } = context
  const numbers = parseAcknowledgement(body)
  if (numbers === undefined) {
    counters.drop('malformed-record')
    return
  }
  let isNews = false
  for (const { epoch, sequence } of numbers) {
    for (const item of items) {
      if (item.epoch.epoch === epoch && item.delivery?.acknowledge(sequence) === true) isNews = true
    }
  }
  if (flight.repeat(items, isNews, now)) counters.flightsRetransmitted++
}
