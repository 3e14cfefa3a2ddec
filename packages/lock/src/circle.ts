import type { Entry, Queue } from "./queue.js"
import type { CircleMember, Hold } from "./store.js"

interface Queues {
  get(key: string): Queue | undefined
}

/** A request that the search has come to. */
interface Step {
  readonly request: Entry
  /** The step to the request that waits for this one; none at the start of the search. */
  readonly from: Step | undefined
  /** The key that it waits for. */
  readonly key: string
  /** The lease of that key which this request keeps; none where this request is before it in the queue. */
  readonly lease: Entry | undefined
}

/**
 * The circle that `entry` closes if it begins to wait now, if it closes one. Remembers what it keeps.
 *
 * On each key that it doesn't share with the holder, a request waits for the leases that hold the key and for the
 * requests before it in the queue. A lease is kept until the requests that hold it are served. No request waits for the
 * last one in the queues, so a circle has to pass through a lease that it keeps: where no request waits for one of
 * those, there is nothing to search.
 *
 * Whatever else happens takes such reasons to wait away, with one exception that isn't looked for: a request that
 * shares one of several keys falls back to its place in that queue when the lease ends that it shares.
 */
export function circleClosedBy(entry: Entry, queues: Queues): readonly CircleMember[] | undefined {
  const { holds = [], keys } = entry.request
  if (holds.length === 0) return undefined
  const kept = leasesOf(holds, queues)
  for (const lease of kept) lease.keepFor(entry)
  entry.keeps = kept
  const hasWaiters = (key: string) => (queues.get(key)?.waiters.length ?? 0) > 0
  const isWanted = (lease: Entry) => keys.some((key) => queues.get(key)?.holders.includes(lease))
  return kept.some((lease) => lease.request.keys.some(hasWaiters) || isWanted(lease))
    ? search(entry, queues)
    : undefined
}

function leasesOf(holds: readonly Hold[], queues: Queues): Entry[] {
  const leases = holds.flatMap(({ id, key }) => {
    const lease = queues.get(key)?.holders.find(({ request }) => request.id === id)
    return lease ? [lease] : []
  })
  return [...new Set(leases)]
}

/** Breadth first, so that the circle is a shortest one. */
function search(closing: Entry, queues: Queues): readonly CircleMember[] | undefined {
  const steps: Step[] = [{ request: closing, from: undefined, key: "", lease: undefined }]
  const found = new Set([closing])
  const explored = new Map<string, number>()
  for (const from of steps)
    for (const step of stepsFrom(from, closing, queues, explored)) {
      if (step.request === closing) return membersOf(step)
      if (found.has(step.request)) continue
      found.add(step.request)
      steps.push(step)
    }
  return undefined
}

/** @param explored how many of the waiting requests of each key have been looked at: no queue is walked twice. */
function* stepsFrom(
  from: Step,
  closing: Entry,
  queues: Queues,
  explored: Map<string, number>,
): Generator<Step> {
  const { request } = from
  for (const key of request.request.keys) {
    const queue = queues.get(key)
    if (!queue || request.sharesWith(queue, key)) continue
    let at = explored.get(key)
    if (at === undefined)
      for (const lease of queue.holders)
        for (const keeper of lease.keepers(closing)) yield { request: keeper, from, key, lease }
    // A request for one key waits for nothing that those behind it don't wait for, too.
    for (at ??= 0; (queue.waiters[at]?.number ?? Number.POSITIVE_INFINITY) < request.number; at++) {
      const before = queue.waiters[at] as Entry
      if (before.request.keys.length > 1) yield { request: before, from, key, lease: undefined }
    }
    explored.set(key, at)
  }
}

function membersOf(last: Step): readonly CircleMember[] {
  const members: CircleMember[] = []
  for (let { from, key, lease } = last; from; { from, key, lease } = from) {
    const { id, owner, keys } = from.request.request
    const heldBy = lease && { id: lease.request.id, owner: lease.request.owner }
    members.unshift({ id, owner, keys, waitsFor: key, heldBy })
  }
  return members
}
