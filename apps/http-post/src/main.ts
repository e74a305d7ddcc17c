import { addressesOf, candidateAddresses } from './addresses.ts'
import { Calls } from './calls.ts'
import { createHttpsServer, listen } from './https-server.ts'
import { parseSettings, USAGE } from './settings.ts'
import { loadTlsCertificate } from './tls-certificate.ts'
import { bindUdp } from './udp.ts'

try {
  const settings = parseSettings(process.argv.slice(2), process.env)
  if (settings === 'help') {
    console.log(USAGE)
  } else {
    const socket = await bindUdp(settings.udpPort)
    const calls = new Calls({
      socket,
      addresses: candidateAddresses(settings.addresses, socket),
      log: settings.quiet ? () => {} : (line) => console.log(line),
    })
    const server = createHttpsServer(await loadTlsCertificate(settings.directory), calls)
    const port = await listen(server, settings.port, settings.host)
    console.log(`Media is received on UDP port ${socket.address().port}.`)
    console.log('Open one of these in a browser on this machine, and accept its certificate:')
    for (const name of addressesOf(settings.host)) console.log(`  https://${name}:${port}/`)

    process.on('SIGUSR2', () => calls.debug())
    const stop = (): void => {
      calls.close()
      server.close()
      server.closeAllConnections()
      // what says goodbye to the peers goes out first
      setTimeout(() => process.exit(0), 100)
    }
    process.once('SIGINT', stop)
    process.once('SIGTERM', stop)
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
