export { HeartlineError, type ErrorCode } from '../core/error.ts'
export { clientCases } from './conformance/client-cases.ts'
export type { ClientEvents, ClientSubject, ClientUnderTest } from './conformance/client-subject.ts'
export { ConformanceError, type ConformanceCase } from './conformance/conformance-case.ts'
export { serverCases } from './conformance/server-cases.ts'
export { serverCommands, type ServerSubject } from './conformance/server-subject.ts'
export type { Direction, Fault, FaultKind, ScheduledFault } from './fault.ts'
export {
  faultProxy,
  type FaultProxy,
  type FaultProxyEvents,
  type FaultProxyOptions,
  type FaultState,
  type Target,
} from './fault-proxy.ts'
export {
  randomFaults,
  randomFaultsDefaults,
  seededRandom,
  type RandomFaultKind,
  type RandomFaultsOptions,
} from './fault-schedule.ts'
export type { FlowMode } from './flow.ts'
export {
  virtualClock,
  virtualClockDefaults,
  type VirtualClock,
  type VirtualClockOptions,
  type VirtualTimer,
} from './virtual-clock.ts'
