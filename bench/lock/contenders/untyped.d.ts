// Their types are not where TypeScript finds them, or are not there.

declare module "redlock" {
  import type { Redis } from "ioredis"
  export default class Redlock {
    constructor(clients: Iterable<Redis>)
    acquire(keys: string[], ttl: number): Promise<{ release(): Promise<unknown> }>
    using<T>(keys: string[], ttl: number, settings: { retryCount: number }, job: () => Promise<T>): Promise<T>
    on(event: "error", listener: (error: Error) => void): this
  }
}

declare module "ioredfour" {
  import type { Redis } from "ioredis"
  export interface Lock {
    success: boolean
  }
  export default class Locks {
    constructor(options: { redis: Redis; namespace: string })
    readonly _redisSubscriber: Redis
    waitAcquireLock(key: string, ttl: number, timeout: number): Promise<Lock>
    releaseLock(lock: Lock): Promise<{ success: boolean; result: string }>
  }
}
