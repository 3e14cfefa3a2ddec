import type { History, Lease, Trouble } from "./history.ts"

/**
 * A holder that has looked at its lease and found it not lost is alone at that moment, be its process paused before or
 * after, or cut off: its own clock ends its trust before the store gives the key away. So two leases of one key, of
 * different owners, are trusted at times that don't overlap, the one with the lower token first. Only a store that
 * has forgotten everything can't keep to that, and only for the leases from before: those the fence has to stop.
 */
export function exclusion({ leases, troubles }: History): string[] {
  const wipes = wipesOf(troubles)
  const found: string[] = []
  for (const [key, onKey] of byKey(leases)) {
    const trusted = onKey.filter(({ lease }) => lease.first < Number.POSITIVE_INFINITY)
    // Of the leases from between the same wipes: the one that was trusted last.
    const latest = new Map<number, Held[]>()
    for (const held of trusted.sort((a, b) => a.token - b.token)) {
      const { lease } = held
      const before = latest.get(wipesBegunBy(wipes, lease.granted)) ?? []
      const other = before.find((it) => it.lease.owner !== lease.owner && it.lease.last >= lease.first)
      if (other) found.push(overlap(key, other, held))
      const epoch = wipesEndedBy(wipes, lease.asked)
      latest.set(epoch, latestTwo([...(latest.get(epoch) ?? []), held]))
    }
  }
  return found
}

/** The last trusted of two different owners, so that there is always one of another owner than the next one's. */
function latestTwo(candidates: readonly Held[]): Held[] {
  const sorted = [...candidates].sort((a, b) => b.lease.last - a.lease.last)
  const second = sorted.find(({ lease }) => lease.owner !== sorted[0]?.lease.owner)
  return [...sorted.slice(0, 1), ...(second ? [second] : [])]
}

/**
 * The tokens of accepted writes never go back, and no holder was refused that trusted its lease after that: no writer
 * with a later token can have been there.
 */
export function fencing({ leases, writes, troubles }: History): string[] {
  const found: string[] = []
  const newest = new Map<string, number>()
  for (const { key, token, lease } of writes) {
    const before = newest.get(key) ?? 0
    if (token < before) found.push(`${key}: ${lease} wrote with token ${token} after token ${before}`)
    newest.set(key, token)
  }
  const wipes = wipesOf(troubles)
  for (const lease of leases) {
    const { fenced, last, asked } = lease
    if (fenced === undefined || last <= fenced) continue
    if (wipesBegunBy(wipes, last) === wipesEndedBy(wipes, asked))
      found.push(`${name(lease)} was fenced at ${ms(fenced)} and trusted its lease at ${ms(last)}`)
  }
  return found
}

export interface Held {
  readonly lease: Lease
  readonly token: number
}

export function byKey(leases: readonly Lease[]): Map<string, Held[]> {
  const keys = new Map<string, Held[]>()
  for (const lease of leases)
    for (const [i, key] of lease.keys.entries()) {
      const list = keys.get(key) ?? []
      keys.set(key, list)
      list.push({ lease, token: lease.tokens[i] ?? 0 })
    }
  return keys
}

const wipesOf = (troubles: readonly Trouble[]) => troubles.filter(({ forgets }) => forgets)
const wipesBegunBy = (wipes: readonly Trouble[], t: number) => wipes.filter(({ from }) => from <= t).length
const wipesEndedBy = (wipes: readonly Trouble[], t: number) => wipes.filter(({ until }) => until <= t).length

function overlap(key: string, a: Held, b: Held): string {
  const of = ({ lease, token }: Held) =>
    `${name(lease)} (token ${token}) trusted it from ${ms(lease.first)} to ${ms(lease.last)}`
  return `${key}: ${of(a)}, ${of(b)}`
}

const name = ({ id, worker }: Lease) => `${id} of ${worker}`
export const ms = (t: number) => `${t.toFixed(3)} ms`
