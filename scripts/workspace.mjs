// What the scripts of the root share: they need Node and npm alone, and get pnpm, turbo and the rest by themselves.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const stamp = join(root, 'node_modules', '.installed')

/** Ends with a clear message on a Node that is too old. */
export function checkNode() {
  const [wantedMajor, wantedMinor] = manifest.engines.node.match(/\d+/g).map(Number)
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return
  console.error(
    `This needs Node ${wantedMajor}.${wantedMinor} or later, and this is ${process.versions.node}.`,
  )
  process.exit(1)
}

/** Installs what the lock file says, unless that was done before. */
export function install() {
  const hash = createHash('sha256')
    .update(readFileSync(join(root, 'pnpm-lock.yaml')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return
  must(withPnpm('pnpm install --frozen-lockfile --reporter=append-only'))
  writeFileSync(stamp, hash)
}

/** Builds a package of the workspace and what it stands on. Nothing is built twice. */
export function build(filter) {
  must(
    withPnpm(
      `turbo run build --output-logs=errors-only${filter === undefined ? '' : ` --filter=${filter}...`}`,
    ),
  )
}

/** Packs every package as npm would publish it: the files, and the folder that they are in until this process ends. */
export function packAll() {
  const folder = mkdtempSync(join(tmpdir(), 'pack-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  must(
    withPnpm(
      `pnpm --silent --recursive --filter "./packages/*" pack --pack-destination ${folder} >/dev/null`,
    ),
  )
  const wanted = readdirSync(join(root, 'packages')).length
  const files = readdirSync(folder).map((name) => join(folder, name))
  if (files.length !== wanted) {
    console.error(`${files.length} of ${wanted} packages could be packed`)
    process.exit(1)
  }
  return { folder, files }
}

/** Runs a command line with pnpm and the tools of the root at hand; answers its exit code. */
export function withPnpm(command) {
  const path = `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`
  const args = ['--yes', '-p', manifest.packageManager, '-c']
  // on Windows it is a script that only a shell can start, and the shell is given one line
  return process.platform === 'win32'
    ? run('npx', [...args, `"${command}"`], { PATH: path }, { shell: true })
    : run('npx', [...args, command], { PATH: path })
}

/** Runs a program; answers its exit code. */
export function run(program, args, environment = {}, { shell = false } = {}) {
  const { status, error } = spawnSync(program, args, {
    cwd: root,
    stdio: 'inherit',
    shell,
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', ...environment },
  })
  if (error !== undefined) console.error(error.message)
  return status ?? 1
}

/** Ends with the code of a command that failed. */
export function must(code) {
  if (code !== 0) process.exit(code)
}
