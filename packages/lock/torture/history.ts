import type { Write } from "./guard.ts"
import { CHAOS, type Entry } from "./records.ts"

/** A run, put together from the records of all processes. Times are ms of the common clock. */
export interface History {
  readonly requests: readonly Request[]
  readonly leases: readonly Lease[]
  readonly stays: readonly Stay[]
  readonly writes: readonly Write[]
  readonly troubles: readonly Trouble[]
}

/** A request to the lock, by its process and its number there. */
export interface Request {
  readonly worker: string
  readonly n: number
  readonly at: number
  readonly timeout: number
  /** When it was granted or refused; none where the process never learnt. */
  readonly answered: number | undefined
  readonly why: string | undefined
}

/** A grant as its holder saw it. */
export interface Lease {
  readonly worker: string
  readonly id: string
  readonly owner: string
  readonly keys: readonly string[]
  /** In the order of the keys. */
  readonly tokens: readonly number[]
  readonly asked: number
  readonly granted: number
  /** The first and the last moment at which the holder is known to have trusted it. */
  readonly first: number
  readonly last: number
  /** The first write of it that the resource refused, as the holder learnt. */
  readonly fenced: number | undefined
  readonly ended: boolean
}

/** A request's place in the queue, as its session saw it: from one arrival to a grant or to its end. */
export interface Stay {
  readonly worker: string
  readonly owner: string
  readonly keys: readonly string[]
  /** When it was first sent: a request that was reported as dropped and is sent again may never have left. */
  readonly asked: number
  /** When an answer came that left it waiting: from then on it was in the queue. */
  readonly queued: number | undefined
  /** The last moment at which it is known to have been in the queue: no later answer told of a drop. */
  readonly certainUntil: number
  readonly granted: number | undefined
  readonly tokens: readonly number[]
}

export interface Trouble {
  readonly kind: "kill" | "pause" | "cut" | "hang" | "deafen" | "restart" | "stall"
  /** None for what happens to the server. */
  readonly worker: string | undefined
  readonly from: number
  readonly until: number
  readonly forgets: boolean
}

export function historyOf(records: ReadonlyMap<string, readonly Entry[]>, writes: readonly Write[]): History {
  const requests: Request[] = []
  const leases: Lease[] = []
  const stays: Stay[] = []
  const troubles: Trouble[] = (records.get(CHAOS) ?? []).flatMap(troubleOf)
  for (const [worker, entries] of records) {
    if (worker === CHAOS) continue
    for (const entry of entries)
      if (entry.e === "stalled")
        troubles.push({ kind: "stall", worker, from: entry.t - entry.ms, until: entry.t, forgets: false })
    collectRequests(worker, entries, requests, leases)
    for (const session of sessionsOf(entries)) stays.push(...staysOf(worker, session))
  }
  return { requests, leases, stays, writes, troubles }
}

function troubleOf(entry: Entry): Trouble[] {
  if (entry.e === "kill")
    return [{ kind: "kill", worker: entry.worker, from: entry.t, until: entry.t, forgets: false }]
  if (entry.e === "pause" || entry.e === "cut" || entry.e === "hang" || entry.e === "deafen")
    return [{ kind: entry.e, worker: entry.worker, from: entry.t, until: entry.until, forgets: false }]
  if (entry.e === "restart")
    return [{ kind: "restart", worker: undefined, from: entry.t, until: entry.until, forgets: entry.forgets }]
  return []
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
type Asking = Mutable<Request> & { keys: readonly string[]; owner: string }

function collectRequests(
  worker: string,
  entries: readonly Entry[],
  requests: Request[],
  leases: Lease[],
): void {
  const asking = new Map<number, Asking>()
  const held = new Map<number, Mutable<Lease>>()
  for (const entry of entries) {
    if (entry.e === "request") {
      const { n, keys, owner, timeout, t: at } = entry
      const request = { worker, n, keys, owner, timeout, at, answered: undefined, why: undefined }
      asking.set(n, request)
      requests.push(request)
    } else if (entry.e === "granted") {
      const request = asking.get(entry.n) as Asking
      request.answered = entry.t
      const lease = leaseOf(request, entry)
      held.set(entry.n, lease)
      leases.push(lease)
    } else if (entry.e === "refused") {
      const request = asking.get(entry.n) as Asking
      request.answered = entry.t
      request.why = entry.why
    } else see(entry, held)
  }
}

function leaseOf(request: Asking, { t, id, tokens }: Extract<Entry, { e: "granted" }>): Mutable<Lease> {
  const { worker, owner, keys, at: asked } = request
  const never = { first: Number.POSITIVE_INFINITY, last: Number.NEGATIVE_INFINITY, fenced: undefined }
  return { worker, owner, keys, asked, id, tokens, granted: t, ...never, ended: false }
}

function see(entry: Entry, held: ReadonlyMap<number, Mutable<Lease>>): void {
  if (!("n" in entry)) return
  const lease = held.get(entry.n)
  if (!lease) return
  if (entry.e === "trusted") {
    lease.first = Math.min(lease.first, entry.t)
    lease.last = Math.max(lease.last, entry.t)
  } else if (entry.e === "wrote" && !entry.accepted) lease.fenced ??= entry.t
  else if (entry.e === "ended") lease.ended = true
}

type Conversation = Extract<Entry, { s: number }>

function sessionsOf(entries: readonly Entry[]): Iterable<Conversation[]> {
  const sessions = new Map<number, Conversation[]>()
  for (const entry of entries) {
    if (!("s" in entry)) continue
    const session = sessions.get(entry.s) ?? []
    sessions.set(entry.s, session)
    session.push(entry)
  }
  return sessions.values()
}

/** The session sends one batch at a time, so that each answer belongs to the last one. */
function staysOf(worker: string, conversation: readonly Conversation[]): Stay[] {
  const stays: Stay[] = []
  const here = new Map<number, Mutable<Stay>>()
  const first = new Map<number, number>()
  let asked: Extract<Conversation, { e: "asked" }> | undefined
  for (const entry of conversation) {
    if (entry.e === "asked") {
      asked = entry
      for (const seq of entry.cancel) here.delete(seq)
      for (const { seq, keys, owner } of entry.acquire) {
        const never = { queued: undefined, certainUntil: Number.NEGATIVE_INFINITY, granted: undefined }
        if (!first.has(seq)) first.set(seq, entry.t)
        const stay = { worker, owner, keys, asked: first.get(seq) ?? entry.t, ...never, tokens: [] }
        here.set(seq, stay)
        stays.push(stay)
      }
    } else if (entry.e === "unanswered") for (const { seq } of asked?.acquire ?? []) here.delete(seq)
    else answer(entry, asked?.t ?? entry.t, here)
  }
  return stays
}

function answer(
  { t, granted, refused, dropped }: Extract<Conversation, { e: "answered" }>,
  asked: number,
  here: Map<number, Mutable<Stay>>,
): void {
  for (const { seq, token, tokens } of granted) {
    const stay = here.get(seq)
    if (!stay) continue
    stay.granted = t
    stay.tokens = tokens ?? stay.keys.map(() => token)
    here.delete(seq)
  }
  for (const seq of [...refused, ...dropped]) here.delete(seq)
  for (const stay of here.values()) {
    stay.queued ??= t
    stay.certainUntil = asked
  }
}
