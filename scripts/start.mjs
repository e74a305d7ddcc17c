// `npm start`: installs, builds and starts the demo. What follows `--` goes to it.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { build, checkNode, install, root } from './workspace.mjs'

checkNode()
install()
build('@str0m/http-post')
const main = join(root, 'apps', 'http-post', 'dist', 'main.js')
const demo = spawn(process.execPath, [main, ...process.argv.slice(2)], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => demo.kill(signal))
// no code: a signal ended it that it did not take
demo.on('exit', (code) => process.exit(code ?? 1))
