import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { keptInputs, replay, type Target } from '../src/replay.ts'

const folder = join(import.meta.dirname, '..', 'src', 'targets')
const names = readdirSync(folder).map((file) => file.replace(/\.ts$/, ''))

async function load(name: string): Promise<Target> {
  return (await import(join(folder, `${name}.ts`))) as Target
}

describe('S8: what the fuzzer kept, and what once failed', () => {
  it.each(names)('%s takes all of it', async (name) => {
    const target = await load(name)
    const seeds = target.seeds().map((bytes) => ({ bytes, what: 'a seed' }))
    const kept = keptInputs(name)
    expect(seeds.length, 'seeds').toBeGreaterThan(0)
    expect(kept.length, 'kept inputs').toBeGreaterThan(0)
    expect(replay(target, [...seeds, ...kept])).toEqual([])
  })

  it('has a target for each list that is kept', () => {
    for (const kind of ['corpus', 'crashers']) {
      const lists = join(import.meta.dirname, '..', kind)
      if (!existsSync(lists)) continue
      for (const file of readdirSync(lists)) expect(names).toContain(file.replace(/\.txt$/, ''))
    }
  })
})

describe('a replay', () => {
  it('tells which input failed, and goes on', async () => {
    const genuine = await load('stun')
    let count = 0
    const broken: Target = {
      ...genuine,
      fuzz: (bytes) => {
        genuine.fuzz(bytes)
        if (++count === 2) throw new RangeError('broken')
      },
    }
    const failures = replay(broken, keptInputs('stun'))
    expect(failures).toHaveLength(1)
    expect(failures[0]).toContain('RangeError: broken')
    expect(count).toBe(keptInputs('stun').length)
  })

  it('reads what a line says of its input', () => {
    const file = join(import.meta.dirname, '..', 'crashers', 'sctp.txt')
    const [line] = readFileSync(file, 'utf8').split('\n')
    const [{ bytes, what }] = keptInputs('sctp').filter((input) => input.what !== 'kept') as [
      { bytes: Uint8Array; what: string },
    ]
    expect(line).toBe(`${Buffer.from(bytes).toString('base64')} ${what}`)
  })
})
