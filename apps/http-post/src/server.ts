import { bindUdp, candidateAddresses, listen, loadTlsCertificate } from '@str0m/demo-kit'
import { Calls, type CallsOptions } from './calls.ts'
import { createDemoServer } from './https-server.ts'
import type { Settings } from './settings.ts'

/** Long enough for what says goodbye to the peers to leave the socket, ms. */
const GOODBYE_TIME = 50

export interface RunningServer {
  /** Of the HTTPS server. */
  readonly port: number
  /** Where media comes to. */
  readonly udpPort: number
  readonly calls: Calls
  close(): Promise<void>
}

/** Starts the demo. Rejects with an `Error` that says what is in the way, such as a port that is taken. */
export async function startServer(
  settings: Settings,
  options: Pick<CallsOptions, 'log' | 'onFrame'>,
): Promise<RunningServer> {
  const socket = await bindUdp(settings.udpPort)
  try {
    const calls = new Calls({
      socket,
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
    }
    return { port, udpPort: socket.address().port, calls, close }
  } catch (error) {
    socket.close()
    throw error
  }
}
