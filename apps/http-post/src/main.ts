import { closeAtEnd, pageAddresses } from '@str0m/demo-kit'
import { startServer } from './server.ts'
import { parseSettings, USAGE } from './settings.ts'

try {
  const settings = parseSettings(process.argv.slice(2), process.env)
  if (settings === 'help') {
    console.log(USAGE)
  } else {
    const log = settings.quiet ? () => {} : (line: string) => console.log(line)
    const server = await startServer(settings, { log })
    const tcp = server.tcpPort === undefined ? '' : `, and to TCP port ${server.tcpPort}`
    console.log(`Media comes to UDP port ${server.udpPort}${tcp}.`)
    console.log('Open one of these in a browser on this machine, and accept its certificate:')
    for (const address of pageAddresses(settings.host, server.port)) console.log(`  ${address}`)
    closeAtEnd(() => server.close())
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
