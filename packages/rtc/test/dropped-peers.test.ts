import { expect, it } from 'vitest'
import { hasV8Heap, runAlone, STEADY_HEAP } from '../../../vitest.alone.ts'

/** Bytes of a session, of which both peers together have 40 000 and more. */
const MOST_KEPT = 3072

/** What is young is collected only when the test asks for it: a session in use would grow old by it. */
const ROOM_FOR_THE_YOUNG = ['--min-semi-space-size=64', '--max-semi-space-size=64']

it.skipIf(!hasV8Heap)(
  'a peer that is dropped young does not wait for the whole heap to be collected',
  async () => {
    const module = new URL('alone/dropped-peers.ts', import.meta.url)
    const kept = await runAlone<Record<string, number>>(module, [...STEADY_HEAP, ...ROOM_FOR_THE_YOUNG])
    expect(Object.keys(kept)).toHaveLength(5)
    expect(Object.entries(kept).filter(([, bytes]) => !(bytes < MOST_KEPT))).toEqual([])
  },
  90_000,
)
