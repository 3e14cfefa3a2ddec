/** Whether a lock could not be had in time: Medusa's locking providers and Holdfast's say so in the same words. */
export function isLockBusy({ message }: Error): boolean {
  return /Failed to acquire lock|Timed-out acquiring lock/.test(message)
}
