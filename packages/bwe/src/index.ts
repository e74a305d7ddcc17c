export {
  BandwidthEstimator,
  type BandwidthEstimatorOptions,
  type BandwidthEstimatorStatistics,
} from './bandwidth-estimator.ts'
export type { Feedback } from './feedback.ts'
export { Pacer, type PacerOptions, type PacerPriority } from './pacer.ts'
export type { ProbeCluster } from './probe-cluster.ts'
