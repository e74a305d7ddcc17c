// Checks the shape of every package as npm would publish it: publint and "are the types wrong".
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, withPnpm } from './workspace.mjs'

let failed = 0
const scratch = mkdtempSync(join(tmpdir(), 'pack-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
const packages = readdirSync(join(root, 'packages'))
for (const name of packages) {
  const folder = join(root, 'packages', name)
  const packed = join(scratch, name)
  mkdirSync(packed)
  const commands = [
    `cd ${folder} && pnpm pack --silent --pack-destination ${packed}`,
    `publint --strict ${packed}/*.tgz`,
    `attw --profile esm-only ${packed}/*.tgz`,
  ]
  const code = commands.reduce((sum, command) => (sum === 0 ? withPnpm(command) : sum), 0)
  if (code !== 0) {
    console.error(`packages/${name} is not as it should be published`)
    failed++
  }
}
console.log(`${packages.length - failed} of ${packages.length} packages are fit to be published`)
process.exit(failed === 0 ? 0 : 1)
