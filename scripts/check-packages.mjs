// Checks the shape of every package as npm would publish it: publint and "are the types wrong".
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { packAll, root } from './workspace.mjs'

const { files: packed } = packAll()

let fit = 0
const waiting = [...packed]
await Promise.all(Array.from({ length: availableParallelism() }, checkNext))
console.log(`${fit} of ${packed.length} packages are fit to be published`)
process.exit(fit === packed.length ? 0 : 1)

async function checkNext() {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    const said = [await tool('publint', '--strict', file), await tool('attw', '--profile', 'esm-only', file)]
    const wrong = said.filter(({ code }) => code !== 0)
    if (wrong.length === 0) fit++
    else
      console.error(`${file} is not as it should be published\n${wrong.map(({ text }) => text).join('\n')}`)
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
