import type { CryptoProvider } from '@str0m/crypto'
import type { EventOutput, OutputQueue } from '@str0m/sans-io'
import type { GivenConsent } from './given-consent.ts'
import type { IceRole } from './ice-role.ts'
import type { IceTiming } from './ice-timing.ts'
import type { IceDropReason, IceEvent, IceTransmit } from './ice-types.ts'

/** What the generations of one agent have in common. */
export interface AgentContext {
  readonly crypto: CryptoProvider
  readonly timing: IceTiming
  readonly role: IceRole
  readonly lite: boolean
  remoteLite: boolean
  readonly maxPairs: number
  readonly outputs: OutputQueue<IceTransmit | EventOutput<IceEvent>>
  readonly dropped: Record<IceDropReason, number>
  readonly given: GivenConsent
  /** Takes the other role, after a conflict. */
  switchRole(): void
}
