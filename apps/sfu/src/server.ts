import { bindUdp, candidateAddresses, listen, loadTlsCertificate, Peers } from '@str0m/demo-kit'
import { createSfuServer } from './https-server.ts'
import { Room } from './room.ts'

/** Long enough for what says goodbye to the peers to leave the socket, ms. */
const GOODBYE_TIME = 50

export interface RunningServer {
  /** Of the HTTPS server. */
  readonly port: number
  /** Of the socket that media goes through. */
  readonly udpPort: number
  close(): Promise<void>
}

/** Starts the unit: `port` 0 is any that is free. `directory` keeps the certificate of the HTTPS server. */
export async function startServer(port: number, directory: string): Promise<RunningServer> {
  const socket = await bindUdp(0)
  const room = new Room()
  const peers = new Peers(socket, candidateAddresses([], socket), (rtc, event) =>
    room.handleEvent(rtc, event),
  )
  room.drivenBy(peers)
  try {
    const server = createSfuServer(await loadTlsCertificate(directory), room)
    const listening = await listen(server, port, '::')
    const close = async (): Promise<void> => {
      peers.close()
      server.close()
      server.closeAllConnections()
      await new Promise((resolve) => {
        setTimeout(resolve, GOODBYE_TIME)
      })
      socket.close()
    }
    return { port: listening, udpPort: socket.address().port, close }
  } catch (error) {
    socket.close()
    throw error
  }
}
