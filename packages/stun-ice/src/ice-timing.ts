import { UsageError } from '@str0m/sans-io'

/** The agent's intervals, in ms. */
export interface IceTiming {
  /** Ta: between ordinary checks. Default 50, at least 5. RFC 8445 section 14.2. */
  readonly checkInterval: number
  /**
   * Between triggered checks, each of which answers a request of the peer. Default 5, the least that RFC 8445
   * section 14.2 has for all checks.
   */
  readonly triggeredCheckInterval: number
  /** The least RTO of a check. Default and minimum 500. RFC 8445 section 14.3. */
  readonly retransmissionTimeout: number
  /** Between consent checks, times 0.8 to 1.2: 5000 to 12500, and 5000 by default. RFC 7675 section 5.1. */
  readonly consentInterval: number
  /**
   * Without a response for this long, nothing more is sent. Default and maximum 30000, and at least the time of two consent checks. RFC 7675 section
   * 5.1.
   */
  readonly consentTimeout: number
  /** Silence on the selected pair before `disconnected`. 100 to 30000, and 10000 by default. */
  readonly disconnectedTimeout: number
  /**
   * How long a controlling agent waits for a better pair after the first success. Default 50; none where no
   * better one can come, or the peer is lite.
   */
  readonly nominationDelay: number
  /** The least time before an agent that has not connected fails. Default 39500. RFC 8863 section 4. */
  readonly patience: number
}

/** RFC 8445 section 14.3: a MUST. */
const MIN_RTO = 500
/** 4 s, which is a MUST of RFC 7675 section 5.1, over 0.8. */
const MIN_CONSENT_INTERVAL = 5000
/** RFC 7675 section 5.1: a MUST. */
const MAX_CONSENT_TIMEOUT = 30_000
/** Consent intervals within a timeout: two of up to 1.2 times, or consent ends where nothing is lost. */
const CONSENT_CHECKS = 2.4

const DEFAULT_TIMING: IceTiming = {
  checkInterval: 50,
  triggeredCheckInterval: 5,
  retransmissionTimeout: 500,
  consentInterval: 5000,
  consentTimeout: 30_000,
  disconnectedTimeout: 10_000,
  nominationDelay: 50,
  patience: 39_500,
}

/** Throws a `UsageError` (`invalid-option`) for what is out of its range. */
export function iceTiming(overrides?: Partial<IceTiming>): IceTiming {
  if (overrides === undefined) return DEFAULT_TIMING
  const timing: { -readonly [K in keyof IceTiming]: number } = { ...DEFAULT_TIMING }
  for (const name of Object.keys(DEFAULT_TIMING) as (keyof IceTiming)[])
    timing[name] = overrides[name] ?? timing[name]
  const check = (name: keyof IceTiming, min: number, max: number): void => {
    const value = timing[name]
    if (!(value >= min && value <= max)) {
      throw new UsageError('invalid-option', `${name} is from ${min} to ${max} ms, not ${value}`)
    }
  }
  check('checkInterval', 5, 60_000)
  check('triggeredCheckInterval', 5, 60_000)
  check('retransmissionTimeout', MIN_RTO, 60_000)
  check('consentInterval', MIN_CONSENT_INTERVAL, MAX_CONSENT_TIMEOUT / CONSENT_CHECKS)
  check('consentTimeout', CONSENT_CHECKS * timing.consentInterval, MAX_CONSENT_TIMEOUT)
  check('disconnectedTimeout', 100, 30_000)
  check('nominationDelay', 0, 60_000)
  check('patience', 0, 3_600_000)
  return timing
}
