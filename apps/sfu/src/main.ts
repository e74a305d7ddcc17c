import { fileURLToPath } from 'node:url'
import { pageAddresses } from '@str0m/demo-kit'
import { startServer } from './server.ts'

try {
  const directory = process.env['STR0M_DIRECTORY'] ?? fileURLToPath(new URL('../.str0m', import.meta.url))
  const server = await startServer(Number(process.env['PORT'] ?? 3001), directory)
  console.log('Open one of these twice: publish in one window, watch in the other.')
  for (const address of pageAddresses('::', server.port)) console.log(`  ${address}`)
  process.once('SIGINT', () => void server.close())
  process.once('SIGTERM', () => void server.close())
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
