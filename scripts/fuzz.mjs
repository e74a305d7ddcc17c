// `npm run fuzz -- [target…] [--seconds N]`: bundles the targets of apps/fuzz and runs them under Jazzer.js, one after the other. `--help` says more.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkNode, install, root, run } from './workspace.mjs'

const JAZZER = '@jazzer.js/core@4.0.0'
/** Bytes of what is kept for one target, at which it is made smaller. */
const MAX_KEPT = 20_000
const HELP = `npm run fuzz -- [target...] [--seconds N] [--merge] [--list]

Coverage-guided fuzzing of the targets in apps/fuzz/src/targets: all of them, or those that are named.

  --seconds N  seconds for each target; default 60
  --merge      only minimises what was found, into apps/fuzz/corpus; nothing is tried
  --list       the names of the targets

FUZZ_NODE is the program that runs Jazzer.js instead of this Node: for systems whose C library is older than its addon.
What is found is in apps/fuzz/.work, crashers in its folder crashers.`

const app = join(root, 'apps', 'fuzz')
const work = join(app, '.work')
const sources = join(app, 'src', 'targets')
const all = readdirSync(sources).map((file) => file.replace(/\.ts$/, ''))

const { targets, seconds, merge } = options(process.argv.slice(2))
checkNode()
install()
const bundles = await bundle(targets)
const cli = jazzer()
let failed = false
for (const target of targets) {
  const folder = join(work, 'corpus', target)
  await sow(target, folder)
  if (merge) keep(target, folder)
  else if (!fuzz(target, folder)) failed = true
}
process.exit(failed ? 1 : 0)

function options(args) {
  const names = []
  let time = 60
  let minimises = false
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--seconds') time = Number(args[++i])
    else if (args[i] === '--merge') minimises = true
    else if (args[i] === '--list' || args[i] === '--help') {
      console.log(args[i] === '--list' ? all.join('\n') : HELP)
      process.exit(0)
    } else if (all.includes(args[i])) names.push(args[i])
    else {
      console.error(`There is no target "${args[i]}": there are ${all.join(', ')}.`)
      process.exit(1)
    }
  }
  if (!(time > 0)) {
    console.error('--seconds is a number above 0.')
    process.exit(1)
  }
  return { targets: names.length > 0 ? names : all, seconds: time, merge: minimises }
}

/** One module for each target with all that it imports, from the sources. */
async function bundle(names) {
  const { build } = await import('vite')
  const outDir = join(app, 'dist')
  await build({
    configFile: false,
    logLevel: 'warn',
    ssr: {
      noExternal: true,
      resolve: { conditions: ['@str0m/source', 'module', 'node', 'import', 'default'] },
    },
    build: {
      ssr: true,
      outDir,
      emptyOutDir: false,
      target: 'node20',
      minify: false,
      rollupOptions: {
        input: Object.fromEntries(names.map((name) => [name, join(sources, `${name}.ts`)])),
        output: { entryFileNames: '[name].mjs', chunkFileNames: 'shared-[name]-[hash].mjs' },
      },
    },
  })
  return Object.fromEntries(names.map((name) => [name, join(outDir, `${name}.mjs`)]))
}

/** Jazzer.js, which is installed beside the workspace the first time that it is asked for. Answers where its program is. */
function jazzer() {
  const folder = join(work, 'jazzer')
  const program = join(folder, 'node_modules', '@jazzer.js', 'core', 'dist', 'cli.js')
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
    const code = run(
      'npm',
      ['install', '--prefix', folder, '--no-audit', '--no-fund', '--no-save', JAZZER],
      {},
      { shell: process.platform === 'win32' },
    )
    if (code !== 0) process.exit(code)
  }
  const { status, stderr } = spawnSync(node(), [program, '--help'], { encoding: 'utf8' })
  if (status !== 0) {
    console.error(
      /GLIBC_|ERR_DLOPEN_FAILED/.test(stderr)
        ? 'The addon of Jazzer.js wants a newer C library than this system has. Name a program that runs Node with one in FUZZ_NODE; npm test tries what was found before on any system.'
        : stderr,
    )
    process.exit(1)
  }
  return program
}

function node() {
  return process.env.FUZZ_NODE ?? process.execPath
}

/** The kept corpus, the crashers and the target's own seeds, one file for each. */
async function sow(target, folder) {
  mkdirSync(folder, { recursive: true })
  const { seeds } = await import(pathToFileURL(bundles[target]).href)
  const kept = ['corpus', 'crashers'].flatMap((name) => lines(join(app, name, `${target}.txt`)))
  for (const bytes of [...kept.map((line) => Buffer.from(line.split(' ')[0], 'base64')), ...seeds()]) {
    writeFileSync(join(folder, createHash('sha1').update(bytes).digest('hex')), bytes)
  }
}

function lines(file) {
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
}

function engine(target, folders, flags) {
  const args = [cli, bundles[target], ...folders, '--sync', '--includes', join('fuzz', 'dist'), '--']
  const limits = ['-timeout=5', '-rss_limit_mb=4096', '-max_len=4096']
  // where libFuzzer starts itself again, it is by this name
  const named = 'data:text/javascript,process.argv[0]=process.env.FUZZ_NODE'
  const environment = process.env.FUZZ_NODE === undefined ? {} : { NODE_OPTIONS: `--import=${named}` }
  // Jazzer.js leaves a dictionary there each time
  const scratch = join(work, 'tmp')
  mkdirSync(scratch, { recursive: true })
  try {
    return run(node(), [...args, ...limits, ...flags], { ...environment, TMPDIR: scratch })
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function fuzz(target, folder) {
  console.log(`\n=== ${target}, ${seconds} s`)
  const crashers = join(work, 'crashers', target)
  mkdirSync(crashers, { recursive: true })
  const flags = [
    `-max_total_time=${seconds}`,
    `-artifact_prefix=${crashers}/`,
    '-print_final_stats=1',
    '-use_value_profile=0',
  ]
  return engine(target, [folder], flags) === 0
}

/** As few inputs as reach the same code, as lines of base64: as often too, where those do not take too much room. */
function keep(target, folder) {
  console.log(`\n=== ${target}, minimising`)
  for (const flags of [[], ['-use_counters=0']]) {
    const inputs = minimised(target, folder, flags)
    if (inputs === undefined) {
      console.error('The inputs could not be minimised.')
      failed = true
      return
    }
    const text = `${inputs.sort().join('\n')}\n`
    if (text.length > MAX_KEPT && flags.length === 0) continue
    mkdirSync(join(app, 'corpus'), { recursive: true })
    writeFileSync(join(app, 'corpus', `${target}.txt`), text)
    console.log(`${inputs.length} inputs are kept, ${text.length} bytes`)
    return
  }
}

function minimised(target, folder, flags) {
  const small = join(work, 'merged', target)
  rmSync(small, { recursive: true, force: true })
  mkdirSync(small, { recursive: true })
  const code = engine(target, [small, folder], ['-merge=1', '-verbosity=0', ...flags])
  const inputs = readdirSync(small).map((file) => readFileSync(join(small, file)).toString('base64'))
  return code === 0 && inputs.length > 0 ? inputs : undefined
}
