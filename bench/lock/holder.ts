import { setTimeout as sleep } from "node:timers/promises"
import type { Opened } from "./contenders/index.ts"
import { clock } from "./contention.ts"

export interface Hold {
  readonly key: string
  readonly ttl: number
  /** How long it lasts, in ms. */
  readonly job: number
  /** Whether it keeps the event loop to itself all the while. */
  readonly blocks: boolean
}

export interface Held {
  readonly from: number
  readonly to: number
  /** What the lock said of it in the end. */
  readonly said: string
}

/** Holds a key for as long as a job takes that looks at nothing meanwhile. Calls `begun` when it holds. */
export async function hold(
  { run }: Opened,
  { key, ttl, job, blocks }: Hold,
  begun = () => {},
): Promise<Held> {
  let [from, to] = [Number.NaN, Number.NaN]
  const work = async () => {
    from = clock()
    begun()
    // What `begun` has to say goes out first.
    await sleep(50)
    if (blocks) while (clock() < from + job);
    else await sleep(job - 50)
    to = clock()
  }
  const said = await run([key], work, { ttl, timeout: 5_000 }).then(
    () => "success",
    (error: Error) => (error.name === "Error" ? "an error" : error.name),
  )
  return { from, to, said }
}
