import { createSocket, type Socket } from 'node:dgram'
import { isError } from './http.ts'

/** What the system is asked to keep for us while we are busy: a keyframe of twenty peers at once. */
const RECEIVE_BUFFER = 4 * 1024 * 1024

/** One socket for all peers, for IPv6 and IPv4, or for IPv4 alone where the system has no IPv6. */
export async function bindUdp(port: number): Promise<Socket> {
  try {
    return await bind(createSocket({ type: 'udp6', ipv6Only: false, lookup: noLookup }), '::', port)
  } catch (error) {
    if (!isError(error, 'EAFNOSUPPORT') && !isError(error, 'EADDRNOTAVAIL') && !isError(error, 'EINVAL'))
      throw error
    return bind(createSocket({ type: 'udp4', lookup: noLookup }), '0.0.0.0', port)
  }
}

function bind(socket: Socket, address: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close()
      reject(
        isError(error, 'EADDRINUSE')
          ? new Error(`UDP port ${port} is taken: choose another by --udp-port`, { cause: error })
          : error,
      )
    })
    socket.bind(port, address, () => {
      socket.removeAllListeners('error')
      try {
        socket.setRecvBufferSize(RECEIVE_BUFFER)
      } catch {
        // the system grants less
      }
      resolve(socket)
    })
  })
}

/** All destinations are addresses already: without this, each datagram would take a turn of the event loop to find that out. */
function noLookup(
  address: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void,
): void {
  callback(null, address, address.includes(':') ? 6 : 4)
}
