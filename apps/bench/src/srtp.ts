import type { SrtpProfile } from '@str0m/srtp'
import { runChild } from './child.ts'
import type { Cell, Goal, Section } from './report.ts'
import type { Settings } from './settings.ts'
import type { SrtpTimes } from './srtp-process.ts'
import type { ProviderName } from './srtp-str0m.ts'
import { median, pairedRatio } from './statistics.ts'

const PROFILES: readonly SrtpProfile[] = [
  'AES_CM_128_HMAC_SHA1_80',
  'AES_CM_128_HMAC_SHA1_32',
  'AEAD_AES_128_GCM',
  'AEAD_AES_256_GCM',
]
/** The profiles that browsers choose: these are what the goal is for. */
const GOAL_PROFILES: ReadonlySet<SrtpProfile> = new Set(['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM'])
const GOAL_RATIO = 0.6
const TIMEOUT = 120_000

/** What protecting and unprotecting a packet costs. */
export async function measureSrtp({ quick, alone }: Settings): Promise<Section> {
  const rounds: Record<ProviderName, number> = quick
    ? { native: 15, portable: 5 }
    : { native: 101, portable: 25 }
  const rows: Cell[][] = []
  const goals: Goal[] = []
  for (const provider of ['native', 'portable'] as const) {
    for (const profile of PROFILES) {
      const times = await runChild<SrtpTimes>(
        './srtp-process.js',
        [profile, provider, String(rounds[provider]), alone ? 'alone' : 'all'],
        { timeout: TIMEOUT },
      )
      for (const direction of ['protect', 'unprotect'] as const) {
        const { '@str0m/srtp': ours = [], 'node:crypto': node = [], werift = [] } = times[direction]
        const ratio = pairedRatio(ours, node)
        rows.push([
          provider,
          profile,
          direction,
          median(ours),
          median(node),
          ratio,
          werift.length > 0 ? median(werift) : undefined,
          werift.length > 0 ? pairedRatio(werift, ours) : undefined,
        ])
        if (provider === 'native' && GOAL_PROFILES.has(profile)) {
          goals.push({
            text: `${profile} ${direction}, of Node's one-shot cipher`,
            measured: ratio,
            bound: 'at most',
            limit: GOAL_RATIO,
            unit: '',
          })
        }
      }
    }
  }
  return {
    title: 'SRTP, packets of 1200 bytes, one stream',
    notes: [
      'µs a packet, medians of rounds; ratios are medians of the ratios of rounds that ran one after the other.',
      'node:crypto: a cipher object a packet (and an HMAC object), out of KeyObjects, without putting a packet together.',
    ],
    columns: [
      'provider',
      'profile',
      'direction',
      '@str0m µs',
      'node:crypto µs',
      'ratio',
      'werift µs',
      'werift/@str0m',
    ],
    rows,
    goals,
  }
}
