import { bindUdp, candidateAddresses, listen, loadTlsCertificate, Peers } from '@str0m/demo-kit'
import { Calls } from './calls.ts'
import { createRecorderServer } from './https-server.ts'
import { Recordings } from './recordings.ts'

/** Long enough for what says goodbye to the peers to leave the socket, ms. */
const GOODBYE_TIME = 50

export interface ServerOptions {
  /** 0: any that is free. */
  readonly port: number
  /** Keeps the certificate of the HTTPS server. */
  readonly directory: string
  /** Where recordings are. */
  readonly recordings: string
  readonly log?: (line: string) => void
}

export interface RunningServer {
  /** Of the HTTPS server. */
  readonly port: number
  /** Ends all calls, and completes their files. */
  close(): Promise<void>
}

/** Starts the recorder and player. Rejects with an `Error` that says what is in the way, such as a port that is taken. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const recordings = new Recordings(options.recordings)
  await recordings.prepare()
  const socket = await bindUdp(0)
  const calls = new Calls(recordings, options.log ?? (() => {}))
  const peers = new Peers(socket, candidateAddresses([], socket), (rtc, event) =>
    calls.handleEvent(rtc, event),
  )
  calls.drivenBy(peers)
  try {
    const server = createRecorderServer(await loadTlsCertificate(options.directory), calls, recordings)
    const port = await listen(server, options.port, '::')
    const close = async (): Promise<void> => {
      peers.close()
      server.close()
      server.closeAllConnections()
      await calls.finished()
      await new Promise((resolve) => {
        setTimeout(resolve, GOODBYE_TIME)
      })
      socket.close()
    }
    return { port, close }
  } catch (error) {
    socket.close()
    throw error
  }
}
