import { type CryptoProvider, defaultCrypto } from '@str0m/crypto'
import { UsageError } from '@str0m/sans-io'
import { type CongestionController, Cubic } from './congestion.ts'
import { COMMON_HEADER, DATA_HEADER, I_DATA_HEADER } from './wire/constants.ts'

/** What an association can be told. All is optional. */
export interface SctpOptions {
  /** Where randomness and the cookie's HMAC come from. Default: `defaultCrypto()`. */
  readonly crypto?: CryptoProvider
  /** 1 to 65535. Default 5000, as in `a=sctp-port` (RFC 8841). */
  readonly localPort?: number
  readonly remotePort?: number
  /** Bytes of the largest packet, 200 to 65535. Default 1191: what DTLS leaves of 1228 bytes. It is not probed. */
  readonly maxPacketSize?: number
  /**
   * Bytes that may be held for reassembly and order, 65536 to 2³⁰. The peer is told 256 KiB at first, and more as it sends more in a
   * round trip. Default 8 MiB; it counts for no less than twice `maxMessageSize`.
   */
  readonly receiveWindow?: number
  /** Bytes of the largest message that is taken from the peer, 1 to `receiveWindow`; a larger one ends the association. Default 1 MiB. */
  readonly maxMessageSize?: number
  /**
   * Bytes that stay free before and after each packet in its buffer, 0 to 256, so that what carries it can encrypt it where it is (`Dtls.sendInPlace`
   * of `@str0m/dtls`). Default 0.
   */
  readonly headroom?: number
  readonly tailroom?: number
  /** Bytes that may wait to be sent, over all streams, 1 to 2⁴⁰. A message that is larger goes where nothing else waits. Default 16 MiB. */
  readonly sendBuffer?: number
  /** Streams each way, 1 to 65535. Default 65535. */
  readonly streams?: number
  /** The retransmission timeout before the first round-trip sample, ms: `rtoMin` to `rtoMax`. Default 500. */
  readonly rtoInitial?: number
  /** The least one, ms, 1 to 60000: more than a peer may hold an acknowledgement back for (RFC 9260 section 6.2: 200 ms, and many do). Default 400. */
  readonly rtoMin?: number
  /** The greatest one, ms, `rtoMin` to 600000. Default 5000. */
  readonly rtoMax?: number
  /** ms that an acknowledgement may wait, 0 to 500. Default 20. */
  readonly sackDelay?: number
  /** ms of silence after which the path is probed; `Infinity`: never. Default 30000. */
  readonly heartbeatInterval?: number
  /** Timeouts in a row without an answer after which the association ends. Default 12. */
  readonly maxRetransmissions?: number
  /**
   * Leave checksums out where the peer too offers it (RFC 9653). Only over DTLS or what protects as well.
   * Default false.
   */
  readonly zeroChecksum?: boolean
  /**
   * Fragments of messages on different streams take turns where the peer too offers it (RFC 8260), so that a long message does
   * not hold up others. Default true.
   */
  readonly interleaving?: boolean
  /** Makes the congestion controller. `mtu`: bytes of user data in a full packet. Default: CUBIC. */
  readonly congestion?: (mtu: number) => CongestionController
}

export type Settings = Required<SctpOptions>

/** Throws a `UsageError` (`invalid-option`) where an option is out of its range. */
export function settingsOf(options: SctpOptions): Settings {
  const settings: Settings = {
    crypto: options.crypto ?? defaultCrypto(),
    localPort: options.localPort ?? 5000,
    remotePort: options.remotePort ?? 5000,
    maxPacketSize: options.maxPacketSize ?? 1191,
    receiveWindow: options.receiveWindow ?? 8 << 20,
    maxMessageSize: options.maxMessageSize ?? 1 << 20,
    headroom: options.headroom ?? 0,
    tailroom: options.tailroom ?? 0,
    sendBuffer: options.sendBuffer ?? 16 << 20,
    streams: options.streams ?? 65_535,
    rtoInitial: options.rtoInitial ?? 500,
    rtoMin: options.rtoMin ?? 400,
    rtoMax: options.rtoMax ?? 5000,
    sackDelay: options.sackDelay ?? 20,
    heartbeatInterval: options.heartbeatInterval ?? 30_000,
    maxRetransmissions: options.maxRetransmissions ?? 12,
    zeroChecksum: options.zeroChecksum ?? false,
    interleaving: options.interleaving ?? true,
    congestion: options.congestion ?? ((mtu) => new Cubic(mtu)),
  }
  wholeInRange(settings, 'localPort', 1, 65_535)
  wholeInRange(settings, 'remotePort', 1, 65_535)
  wholeInRange(settings, 'maxPacketSize', 200, 65_535)
  wholeInRange(settings, 'receiveWindow', 65_536, 2 ** 30)
  wholeInRange(settings, 'maxMessageSize', 1, settings.receiveWindow)
  wholeInRange(settings, 'headroom', 0, 256)
  wholeInRange(settings, 'tailroom', 0, 256)
  inRange(settings, 'sendBuffer', 1, 2 ** 40)
  wholeInRange(settings, 'streams', 1, 65_535)
  inRange(settings, 'rtoMin', 1, 60_000)
  inRange(settings, 'rtoMax', settings.rtoMin, 600_000)
  inRange(settings, 'rtoInitial', settings.rtoMin, settings.rtoMax)
  inRange(settings, 'sackDelay', 0, 500)
  inRange(settings, 'heartbeatInterval', 1, Number.POSITIVE_INFINITY)
  inRange(settings, 'maxRetransmissions', 1, Number.POSITIVE_INFINITY)
  return settings
}

/** Bytes of user data in a full packet: a multiple of four, so that no chunk but a message's last is padded. */
export function maxPayload(maxPacketSize: number, interleaving: boolean): number {
  return (maxPacketSize - COMMON_HEADER - (interleaving ? I_DATA_HEADER : DATA_HEADER)) & ~3
}

type Numbers = { [K in keyof Settings]: Settings[K] extends number ? K : never }[keyof Settings]

function inRange(settings: Settings, name: Numbers, min: number, max: number): void {
  const value = settings[name]
  if (value >= min && value <= max) return
  throw new UsageError('invalid-option', `${name} is to be from ${min} to ${max}, not ${value}`)
}

function wholeInRange(settings: Settings, name: Numbers, min: number, max: number): void {
  inRange(settings, name, min, max)
  if (!Number.isInteger(settings[name])) {
    throw new UsageError('invalid-option', `${name} is a whole number, not ${settings[name]}`)
  }
}

/** Throws a `UsageError` (`invalid-option`) unless `value` is an integer from 0 to `max`. */
export function checkInteger(name: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= max) return
  throw new UsageError('invalid-option', `${name} is an integer from 0 to ${max}, not ${value}`)
}

/** Throws a `UsageError` (`invalid-option`) unless `value` is 0 or more. */
export function checkNotNegative(name: string, value: number): void {
  if (value >= 0) return
  throw new UsageError('invalid-option', `${name} is 0 or more, not ${value}`)
}
