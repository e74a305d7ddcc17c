// Connections of two peers in this process, without sockets.
import { nativeCrypto, portableCrypto } from '@str0m/crypto'
import { DtlsCertificate } from '@str0m/rtc'
import { finish } from './child.ts'
import { MemoryWire } from './memory-wire.ts'
import { monotonicTime } from './signalling.ts'
import type { ProviderName } from './srtp-str0m.ts'

export interface EngineResult {
  /** ms of work for each connection, both sides together. */
  readonly times: readonly number[]
  readonly datagrams: number
  /** How long a connection took in virtual time, without any latency, ms. */
  readonly virtualTime: number
}

const [provider, certificates, count, warmUp] = process.argv.slice(2) as [
  ProviderName,
  'new' | 'shared',
  string,
  string,
]
const crypto = provider === 'native' ? nativeCrypto() : portableCrypto()
const shared = DtlsCertificate.generate({ crypto })
const times: number[] = []
let datagrams = 0
let virtualTime = 0
let now = 0
for (let i = -Number(warmUp); i < Number(count); i++) {
  const start = monotonicTime()
  const wire = new MemoryWire({ crypto, ...(certificates === 'shared' ? { certificate: shared } : {}) }, now)
  wire.connect()
  const end = monotonicTime()
  virtualTime = wire.now - now
  now = wire.now
  datagrams = wire.datagrams
  wire.close()
  if (i >= 0) times.push(end - start)
}
const result: EngineResult = { times, datagrams, virtualTime }
finish(result)
