/** Packets that are to be sent together at one rate, to find out whether the path takes it. */
export interface ProbeCluster {
  /** Given back with each packet of it, see `BandwidthEstimator.handleSent`. */
  readonly id: number
  /** Bits per second at which it is to be sent. */
  readonly bitrate: number
  /** It is complete once it has as many packets and as many bytes. */
  readonly minPackets: number
  readonly minBytes: number
}
