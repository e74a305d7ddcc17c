export { EmulationError } from './emulation-error.ts'
export { Link, type LinkOptions, type LinkStatistics } from './link.ts'
export type { GilbertElliott } from './loss.ts'
export { Nat, type NatBehaviour, type NatOptions } from './nat.ts'
export {
  type Datagram,
  type Host,
  type HostOptions,
  Network,
  type NetworkOptions,
  type NetworkStatistics,
} from './network.ts'
export { Pair, type PairOptions } from './pair.ts'
export type { EventOf, ReceiveOf, Station, TimedEvent, TransmitOf } from './station.ts'
export { VirtualClock } from './virtual-clock.ts'
