import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { readmeExample } from '../vitest.examples.ts'

const root = join(import.meta.dirname, '..')
const generated = join(import.meta.dirname, '.generated')
const packages = readdirSync(join(root, 'packages'))

describe('the example of the README runs', () => {
  it.each(packages)('@str0m/%s', async (name) => {
    const code = readmeExample(name)
    const imports = [...code.matchAll(/from '([^']+)'/g)].map(([, from]) => from!)
    expect(imports.every((from) => from.startsWith('@str0m/'))).toBe(true)
    expect(imports).toContain(`@str0m/${name}`)
    mkdirSync(generated, { recursive: true })
    const file = join(generated, `${name}.ts`)
    writeFileSync(file, code)
    const log = vi.spyOn(console, 'log').mockImplementation(() => {})
    try {
      await import(/* @vite-ignore */ file)
      expect(log, 'it prints something').toHaveBeenCalled()
    } finally {
      log.mockRestore()
    }
  })
})
