import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The first TypeScript example of a package's README. */
export function readmeExample(name: string): string {
  const readme = readFileSync(join(import.meta.dirname, 'packages', name, 'README.md'), 'utf8')
  const code = /```ts\n(.*?)```/s.exec(readme)?.[1]
  if (code === undefined) throw new Error(`packages/${name}/README.md has no example`)
  return code
}
