import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { closeAtEnd, pageAddresses, readPort } from '@str0m/demo-kit'
import { startServer } from './server.ts'

try {
  const { values } = parseArgs({ options: { port: { type: 'string' }, recordings: { type: 'string' } } })
  const directory = process.env['STR0M_DIRECTORY'] ?? fileURLToPath(new URL('../.str0m', import.meta.url))
  const recordings = values.recordings ?? process.env['STR0M_RECORDINGS'] ?? join(directory, 'recordings')
  const server = await startServer({
    port: readPort('--port', values.port ?? process.env['PORT'] ?? '3002'),
    directory,
    recordings,
    log: (line) => console.log(line),
  })
  console.log(`Recordings are in ${recordings}. Open one of these:`)
  for (const address of pageAddresses('::', server.port)) console.log(`  ${address}`)
  closeAtEnd(() => server.close())
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
