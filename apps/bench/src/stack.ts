/** What a peer is connected for: nothing more, to send messages, to send packets, or to have packets sent to it. */
export type Purpose = 'connection' | 'data' | 'packets' | 'subscription'

/** One side of a connection, of whatever stack. Descriptions are SDP. */
export interface Peer {
  createOffer(): Promise<string>
  acceptOffer(offer: string): Promise<string>
  acceptAnswer(answer: string): Promise<void>
  /** Resolves when this side can send. */
  readonly connected: Promise<void>
  /** Resolves with what the side that offered sends by: messages for `data`, payloads of RTP packets for `packets`. */
  flow(): Promise<Flow>
  close(): Promise<void>
}

export interface Flow {
  /** Sends one message or payload. False where too much waits already: nothing was taken. */
  send(bytes: Uint8Array): boolean
  /** To be called after some: what was sent may have waited for it. */
  flush(): void
  /** Calls back once, when there is room again after `send` was false. */
  onceWritable(callback: () => void): void
}

export interface OpenOptions {
  /** The same on both sides. */
  readonly purpose: Purpose
  /** For each message or packet that arrives, with its bytes: of packets, those of the payload. */
  readonly onReceived?: (length: number) => void
}

/** What makes peers. */
export interface Stack {
  open(options: OpenOptions): Promise<Peer>
  /** Sends on to all `subscribers` what `publisher` receives: peers that answered. Not every stack is asked to. */
  forward?(publisher: Peer, subscribers: readonly Peer[]): void
}

/** What waits in a channel before `Flow.send` says no, and where there is room again: bytes. */
export const HIGH_WATER: number = 1024 * 1024
export const LOW_WATER: number = 256 * 1024
