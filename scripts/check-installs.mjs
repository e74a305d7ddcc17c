// Installs each package by itself, from the file that npm would publish, into an empty project; there the example of its README is compiled with the declarations that
// came along, and run.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { packAll, root } from './workspace.mjs'

const { folder, files } = packAll()
// those that a package stands on come from here too: the versions are not published yet
const overrides = Object.fromEntries(
  files.map((file) => [
    `@str0m/${basename(file).replace(/^str0m-(.+)-\d+\.\d+\.\d+\.tgz$/, '$1')}`,
    `file:${file}`,
  ]),
)
const COMPILER = [
  '--strict',
  '--target',
  'es2023',
  '--lib',
  'es2023,dom',
  '--types',
  '',
  '--module',
  'nodenext',
]

const names = readdirSync(join(root, 'packages'))
let ran = 0
for (const name of names) {
  const wrong = tryInstalled(name)
  if (wrong === undefined) ran++
  else console.error(`@str0m/${name} does not serve who installs it alone\n${wrong}`)
}
console.log(`${ran} of ${names.length} packages run where they are installed alone`)
process.exit(ran === names.length ? 0 : 1)

/** Answers what went wrong. */
function tryInstalled(name) {
  const project = join(folder, `of-${name}`)
  mkdirSync(project)
  const own = `@str0m/${name}`
  const { [own]: file, ...others } = overrides
  if (file === undefined) return 'it was not packed'
  const manifest = { type: 'module', private: true, dependencies: { [own]: file }, overrides: others }
  writeFileSync(join(project, 'package.json'), JSON.stringify(manifest))
  writeFileSync(join(project, 'example.ts'), exampleOf(name))
  return (
    failure(project, 'npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']) ??
    failure(project, process.execPath, [
      join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
      ...COMPILER,
      'example.ts',
    ]) ??
    failure(project, process.execPath, ['example.js'])
  )
}

function exampleOf(name) {
  const readme = readFileSync(join(root, 'packages', name, 'README.md'), 'utf8')
  return /```ts\n(.*?)```/s.exec(readme)[1]
}

/** Runs a program; answers what it printed where it failed. */
function failure(cwd, program, args) {
  const shell = process.platform === 'win32'
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, shell, encoding: 'utf8' })
  return status === 0
    ? undefined
    : `${basename(program)} ${args.join(' ')}\n${error?.message ?? ''}${stdout}${stderr}`
}
