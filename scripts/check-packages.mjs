// Checks the shape of every package as npm would publish it: publint and "are the types wrong".
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { must, root, withPnpm } from './workspace.mjs'

const scratch = mkdtempSync(join(tmpdir(), 'pack-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
must(
  withPnpm(`pnpm --silent --recursive --filter "./packages/*" pack --pack-destination ${scratch} >/dev/null`),
)
const wanted = readdirSync(join(root, 'packages')).length
const packed = readdirSync(scratch)
if (packed.length !== wanted) {
  console.error(`${packed.length} of ${wanted} packages could be packed`)
  process.exit(1)
}

let fit = 0
const waiting = [...packed]
await Promise.all(Array.from({ length: availableParallelism() }, checkNext))
console.log(`${fit} of ${wanted} packages are fit to be published`)
process.exit(fit === wanted ? 0 : 1)

async function checkNext() {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    const file = join(scratch, name)
    const said = [await tool('publint', '--strict', file), await tool('attw', '--profile', 'esm-only', file)]
    const wrong = said.filter(({ code }) => code !== 0)
    if (wrong.length === 0) fit++
    else
      console.error(`${name} is not as it should be published\n${wrong.map(({ text }) => text).join('\n')}`)
  }
}

/** Runs a tool of the root; answers its exit code and what it printed. */
async function tool(name, ...args) {
  const child = spawn(join(root, 'node_modules', '.bin', name), args, {
    cwd: root,
    shell: process.platform === 'win32',
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk))
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, text }))
  })
}
