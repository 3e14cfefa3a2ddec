export {
  type AcquiredLock,
  type AcquireLockStepInput,
  acquireLockStep,
  type ReleaseLockStepInput,
  releaseLockStep,
} from "./lock-steps.js"
export type { AcquireArgs, ExecuteArgs, Receipt } from "./provider.js"
export { withLock } from "./with-lock.js"
