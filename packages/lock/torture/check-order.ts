import { ms } from "./check-exclusion.ts"
import type { History, Stay } from "./history.ts"

/** A stay on one of its keys. */
interface Turn {
  readonly stay: Stay
  readonly token: number
}

/**
 * A request that is known to be in the queue of a key before another was sent is granted that key before it, or has left.
 * Known: an answer has left it waiting. It has left when it was granted, refused or given up, and when an answer says
 * that it was dropped; up to the last answer that doesn't say so it is known to stay. An owner that re-enters what
 * it holds passes the requests that wait.
 */
export function order({ stays }: History): string[] {
  const found: string[] = []
  for (const [key, turns] of turnsOf(stays)) {
    const reentries = reentriesOf(turns)
    const arrivals = turns.filter(({ stay }) => stay.queued !== undefined)
    arrivals.sort((a, b) => queued(a) - queued(b))
    const later = turns.filter((turn) => turn.stay.granted !== undefined && !reentries.has(turn))
    later.sort((a, b) => a.stay.asked - b.stay.asked)
    let at = 0
    let lastGranted: Turn | undefined
    let lastWaiting: Turn | undefined
    for (const turn of later) {
      for (let first = arrivals[at]; first && queued(first) < turn.stay.asked; first = arrivals[++at]) {
        if (first.stay.granted !== undefined && first.token > (lastGranted?.token ?? 0)) lastGranted = first
        if (first.stay.certainUntil > (lastWaiting?.stay.certainUntil ?? 0)) lastWaiting = first
      }
      if (lastGranted && lastGranted.token > turn.token)
        found.push(`${key}: ${describe(turn)} came after ${describe(lastGranted)} and was granted before`)
      const granted = turn.stay.granted as number
      if (lastWaiting && lastWaiting.stay.certainUntil > granted)
        found.push(
          `${key}: ${describe(turn)} was granted while ${describe(lastWaiting)} still waited before it`,
        )
    }
  }
  return found
}

/** A grant that was asked for after another one of the same key was known has a greater token; no two owners share one. */
export function tokens({ stays }: History): string[] {
  const found: string[] = []
  for (const [key, turns] of turnsOf(stays)) {
    const granted = turns.filter(({ stay }) => stay.granted !== undefined)
    const known = [...granted].sort((a, b) => (a.stay.granted as number) - (b.stay.granted as number))
    granted.sort((a, b) => a.stay.asked - b.stay.asked)
    let at = 0
    let greatest: Turn | undefined
    for (const turn of granted) {
      for (
        let first = known[at];
        first && (first.stay.granted as number) < turn.stay.asked;
        first = known[++at]
      )
        if (first.token > (greatest?.token ?? 0)) greatest = first
      if (greatest && turn.token <= greatest.token && greatest.stay.owner !== turn.stay.owner)
        found.push(`${key}: ${describe(turn)} came after the grant of ${describe(greatest)}`)
    }
    const owners = new Map<number, string>()
    for (const { token, stay } of granted) {
      const owner = owners.get(token) ?? stay.owner
      if (owner !== stay.owner) found.push(`${key}: ${owner} and ${stay.owner} both got token ${token}`)
      owners.set(token, owner)
    }
  }
  return found
}

function turnsOf(stays: readonly Stay[]): Map<string, Turn[]> {
  const keys = new Map<string, Turn[]>()
  for (const stay of stays)
    for (const [i, key] of stay.keys.entries()) {
      const turns = keys.get(key) ?? []
      keys.set(key, turns)
      turns.push({ stay, token: stay.tokens[i] ?? 0 })
    }
  return keys
}

/** Those that share the token of an earlier grant: they belong to its owner. */
function reentriesOf(turns: readonly Turn[]): Set<Turn> {
  const seen = new Set<number>()
  const again = new Set<Turn>()
  for (const turn of [...turns].sort((a, b) => a.stay.asked - b.stay.asked)) {
    if (turn.stay.granted === undefined) continue
    if (seen.has(turn.token)) again.add(turn)
    seen.add(turn.token)
  }
  return again
}

const queued = ({ stay }: Turn) => stay.queued ?? Number.POSITIVE_INFINITY

function describe({ stay, token }: Turn): string {
  const granted = stay.granted === undefined ? "" : `, granted token ${token} by ${ms(stay.granted)}`
  const here = stay.queued === undefined ? "" : `, waiting by ${ms(stay.queued)}`
  return `${stay.owner} (asked at ${ms(stay.asked)}${here}${granted})`
}
