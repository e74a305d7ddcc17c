// The rounds of one profile and one provider, in a process of their own: what others compiled does not matter.
import type { SrtpProfile } from '@str0m/srtp'
import { finish } from './child.ts'
import { runRounds } from './rounds.ts'
import { nodeCrypto } from './srtp-node.ts'
import { type ProviderName, str0mSrtp } from './srtp-str0m.ts'

/** µs a packet of each round, by name. */
export interface SrtpTimes {
  readonly protect: Record<string, number[]>
  readonly unprotect: Record<string, number[]>
}

/** Packets a round: some ms of work, less than what the operating system gives at a time. */
const PACKETS: Record<ProviderName, number> = { native: 512, portable: 64 }
const WARM_UP = 12

const [profile, provider, rounds, others] = process.argv.slice(2) as [
  SrtpProfile,
  ProviderName,
  string,
  'alone' | 'all',
]
const packets = PACKETS[provider]
const ours = str0mSrtp(profile, provider, packets)
const node = nodeCrypto(profile, packets)
const werift =
  provider === 'native' && others === 'all'
    ? (await import('./srtp-werift.ts')).weriftSrtp(profile, packets)
    : undefined
const options = { rounds: Number(rounds), warmUp: WARM_UP }
const pairs = [ours, node, ...(werift === undefined ? [] : [werift])]
const times: SrtpTimes = {
  protect: runRounds(
    pairs.map((pair) => pair.protect),
    options,
  ),
  unprotect: runRounds(
    pairs.map((pair) => pair.unprotect),
    options,
  ),
}
finish(times)
