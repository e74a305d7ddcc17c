import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { project } from '../vitest.shared.ts'

const packages = join(import.meta.dirname, '..', 'packages')
const config = project('workspace', { root: import.meta.dirname, include: ['*.test.ts'] })

export default {
  ...config,
  resolve: {
    ...config.resolve,
    alias: Object.fromEntries(
      readdirSync(packages).map((name) => [`@str0m/${name}`, join(packages, name, 'src', 'index.ts')]),
    ),
  },
}
