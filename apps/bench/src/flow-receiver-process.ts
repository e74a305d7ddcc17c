// The side that receives packets, in a process of its own: started by the one that sends.
import { createSocket } from 'node:dgram'
import { plainBytes } from '@str0m/sans-io'
import type { SrtpContext } from '@str0m/srtp'
import { contextFor, type FromReceiver, type ToReceiver, type Variant, VARIANTS } from './flow-variants.ts'
import { readUsage } from './signalling.ts'

const RECEIVE_BUFFER = 4 * 1024 * 1024

const contexts = new Map<Variant, SrtpContext | undefined>(
  VARIANTS.map((variant) => [variant, contextFor(variant)]),
)
let context: SrtpContext | undefined
let received = 0
let cpuAtBegin = 0

function say(message: FromReceiver): void {
  process.send?.(message)
}

const socket = createSocket('udp4')
socket.on('message', (contents) => {
  if (context !== undefined && context.unprotectRtp(plainBytes(contents)) < 0) return
  received++
})
process.on('message', (message) => {
  const told = message as ToReceiver
  if (told.kind === 'begin') {
    context = contexts.get(told.variant)
    received = 0
    cpuAtBegin = readUsage(false).cpu
    say({ kind: 'begun' })
  } else {
    say({ kind: 'ended', cpu: readUsage(false).cpu - cpuAtBegin, received })
  }
})
process.on('disconnect', () => process.exit(0))
socket.bind(0, '127.0.0.1', () => {
  socket.setRecvBufferSize(RECEIVE_BUFFER)
  say({ kind: 'ready', port: socket.address().port })
})
