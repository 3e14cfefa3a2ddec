import { setTimeout as sleep } from "node:timers/promises"
import type { Opened } from "./contenders/index.ts"

export type What = "waiters" | "leases" | "renewed leases"

export interface Gathered {
  /** How long it took until all of them waited or held. */
  readonly ms: number
  /** What each takes of this process's heap. */
  readonly bytes: number
}

/** In ms. With the last, the default, everything is renewed within any 10 s; with the others nothing is due for minutes. */
const TTLS = { waiters: 600_000, leases: 600_000, "renewed leases": 30_000 }

const CHUNK = 1_000

/** Lets so many wait for one key, or hold one each. */
export async function gather(opened: Opened, what: What, count: number): Promise<Gathered> {
  const before = heap()
  const started = performance.now()
  const terms = { ttl: TTLS[what], timeout: 600_000 }
  if (what === "waiters") await held(opened, "idle", terms)
  for (let i = 0; i < count; i += CHUNK) {
    const size = Math.min(CHUNK, count - i)
    if (what === "waiters") for (let n = 0; n < size; n++) void held(opened, "idle", terms)
    else await Promise.all(Array.from({ length: size }, (_, n) => held(opened, `idle:${i + n}`, terms)))
    // A process's requests arrive in their order, so that all before this one are in the queue now.
    await opened.pair("idle, and then")
  }
  return { ms: performance.now() - started, bytes: (heap() - before) / count }
}

/** Resolves when it holds the key, which it never releases. */
function held({ run }: Opened, key: string, terms: { ttl: number; timeout: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const hold = () => {
      resolve()
      return new Promise<void>(() => undefined)
    }
    run([key], hold, terms).catch(reject)
  })
}

/** The part of one core that this process uses in so many ms. */
export async function rest(window: number): Promise<number> {
  const before = process.cpuUsage()
  await sleep(window)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000 / window
}

function heap(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}
