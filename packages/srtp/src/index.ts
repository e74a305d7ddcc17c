export { SrtpContext, type SrtpContextOptions } from './context.ts'
export { type SrtpProfile, srtpKeyLengths } from './profile.ts'
export type { DropReason, SrtpStatistics } from './statistics.ts'
