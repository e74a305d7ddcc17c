import { bindUdp, candidateAddresses, listen, loadTlsCertificate, MediaConnections } from '@str0m/demo-kit'
import { Calls, type CallsOptions } from './calls.ts'
import { createDemoServer } from './https-server.ts'
import type { Settings } from './settings.ts'

/** Long enough for what says goodbye to the peers to leave the socket, ms. */
const GOODBYE_TIME = 50

/** A browser makes one from each of its addresses, and new ones where those are lost. */
const CONNECTIONS_PER_CALL = 4

export interface RunningServer {
  /** Of the HTTPS server. */
  readonly port: number
  /** Where media comes to. */
  readonly udpPort: number
  /** The same by TCP, if it does. */
  readonly tcpPort: number | undefined
  readonly calls: Calls
  close(): Promise<void>
}

/** Starts the demo. Rejects with an `Error` that says what is in the way, such as a port that is taken. */
export async function startServer(
  settings: Settings,
  options: Pick<CallsOptions, 'log' | 'onFrame'>,
): Promise<RunningServer> {
  const socket = await bindUdp(settings.udpPort)
  let connections: MediaConnections | undefined
  try {
    if (settings.tcpPort !== undefined)
      connections = await MediaConnections.listen(settings.tcpPort, CONNECTIONS_PER_CALL * settings.maxCalls)
    const calls = new Calls({
      socket,
      connections,
      addresses: candidateAddresses(settings.addresses, socket),
      maxCalls: settings.maxCalls,
      ...options,
    })
    const server = createDemoServer(await loadTlsCertificate(settings.directory), { calls, ...settings })
    const port = await listen(server, settings.port, settings.host)
    const close = async (): Promise<void> => {
      calls.close()
      server.close()
      server.closeAllConnections()
      await new Promise((resolve) => {
        setTimeout(resolve, GOODBYE_TIME)
      })
      socket.close()
      connections?.close()
    }
    return { port, udpPort: socket.address().port, tcpPort: connections?.port, calls, close }
  } catch (error) {
    socket.close()
    connections?.close()
    throw error
  }
}
