export {
  BandwidthEstimator,
  type BandwidthEstimatorOptions,
  type BandwidthEstimatorStatistics,
  type Feedback,
} from './bandwidth-estimator.ts'
export { Pacer, type PacerOptions, type PacerPriority } from './pacer.ts'
export type { ProbeCluster } from './probe-cluster.ts'
