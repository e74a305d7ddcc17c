export { candidateAddresses, destinationFor, pageAddresses } from './addresses.ts'
export {
  createHttpsServer,
  isError,
  isType,
  listen,
  MAX_BODY,
  type Page,
  readBody,
  refuseMethod,
  reply,
  servePage,
} from './http.ts'
export { MediaConnections } from './media-connections.ts'
export { readOffer, sendAnswer } from './offers.ts'
export { Peers } from './peers.ts'
export { closeAtEnd, readPort } from './program.ts'
export { loadTlsCertificate, type TlsCertificate } from './tls-certificate.ts'
export { bindUdp } from './udp.ts'
