// `npm run bench`: installs, builds and runs the benchmarks. What follows `--` goes to them; `--help` says what there is.
import { join } from 'node:path'
import { build, checkNode, install, root, run } from './workspace.mjs'

checkNode()
install()
build('@str0m/bench')
process.exit(
  run(process.execPath, [join(root, 'apps', 'bench', 'dist', 'main.js'), ...process.argv.slice(2)]),
)
