export { Candidate, type CandidateOptions } from './candidate.ts'
export type { CandidateProtocol, CandidateType, TcpType } from './candidate-fields.ts'
export { IceAgent, type IceAgentOptions } from './ice-agent.ts'
export { generateCredentials } from './ice-credentials.ts'
export type { IcePath } from './ice-path.ts'
export { IceTcpFraming } from './ice-tcp-framing.ts'
export type { IceTiming } from './ice-timing.ts'
export type {
  IceCredentials,
  IceDropReason,
  IceEvent,
  IcePair,
  IcePairStatistics,
  IceReceive,
  IceState,
  IceStatistics,
  IceTransmit,
  PairState,
} from './ice-types.ts'
export { isStun, parseStun, stunUsername, verifyStunIntegrity } from './stun-parse.ts'
export type {
  ReceivedStun,
  StunAttribute,
  StunClass,
  StunError,
  StunFault,
  StunMessage,
} from './stun-types.ts'
export { type StunWriteOptions, writeStun } from './stun-write.ts'
export { StunBinding, type StunBindingEvent, type StunBindingOptions } from './stun-binding.ts'
export { TurnClient } from './turn-client.ts'
export { TurnFraming } from './turn-framing.ts'
export type {
  RelayedTransmit,
  TurnAllocated,
  TurnClientOptions,
  TurnDatagram,
  TurnDropReason,
  TurnEnded,
  TurnEndReason,
  TurnEvent,
  TurnReceive,
  TurnState,
  TurnStatistics,
  TurnTransmit,
} from './turn-types.ts'
