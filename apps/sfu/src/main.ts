import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { closeAtEnd, pageAddresses, readPort } from '@str0m/demo-kit'
import { startServer } from './server.ts'

try {
  const { values } = parseArgs({ options: { port: { type: 'string' } } })
  const port = readPort('--port', values.port ?? process.env['PORT'] ?? '3001')
  const directory = process.env['STR0M_DIRECTORY'] ?? fileURLToPath(new URL('../.str0m', import.meta.url))
  const server = await startServer(port, directory)
  console.log('Open one of these twice: publish in one window, watch in the other.')
  for (const address of pageAddresses('::', server.port)) console.log(`  ${address}`)
  closeAtEnd(() => server.close())
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
