import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { describe, expect, it } from 'vitest'

const packages = join(import.meta.dirname, '..', 'packages')

describe('a bundler for browsers finds all that a package imports', () => {
  it.each(readdirSync(packages))('@str0m/%s', async (name) => {
    const said: string[] = []
    const bundle = await rolldown({
      input: join(packages, name, 'src', 'index.ts'),
      platform: 'browser',
      resolve: { conditionNames: ['@str0m/source', 'browser', 'import', 'default'] },
      onLog: (_level, log) => said.push(log.message),
    })
    // each that is not found is said, and stays an import
    const { output } = await bundle.generate({ format: 'es' })
    await bundle.close()
    expect(said).toEqual([])
    const imported = output.flatMap((part) =>
      part.type === 'chunk' ? [...part.imports, ...part.dynamicImports] : [],
    )
    const own = new Set(output.map(({ fileName }) => fileName))
    expect(imported.filter((from) => !own.has(from))).toEqual([])
  })
})
