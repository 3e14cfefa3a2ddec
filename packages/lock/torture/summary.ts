import type { History } from "./history.ts"

/** What a run amounted to. */
export interface Figures {
  readonly processes: number
  readonly requests: number
  readonly grants: number
  readonly kills: number
  /** How many of the kills hit a process that held. */
  readonly killsHolding: number
  /** How many of the kills hit a process that waited. */
  readonly killsWaiting: number
  readonly pauses: number
  readonly cuts: number
  readonly hangs: number
  /** For how many times a process could ask, and heard no answer. */
  readonly lostAnswers: number
  readonly restarts: number
  /** How many requests were waiting for an answer when the server went, at most. */
  readonly waitingAtRestart: number
  readonly wipes: number
  readonly writes: number
  /** Leases of which the guard refused a write. */
  readonly fenced: number
}

export function figuresOf(history: History): Figures {
  const { requests, leases, writes, troubles } = history
  const count = (kind: string) => troubles.filter((trouble) => trouble.kind === kind).length
  const deaths = new Map(
    troubles.flatMap(({ kind, worker, from }) => (kind === "kill" ? [[worker, from]] : [])),
  )
  const killedOf = (list: readonly { worker: string }[]) =>
    new Set(list.flatMap(({ worker }) => (deaths.has(worker) ? [worker] : []))).size
  const waitingAt = (t: number) =>
    requests.filter(({ at, answered, worker }) => at < t && t < (answered ?? deaths.get(worker) ?? t)).length
  const restarts = troubles.filter(({ kind }) => kind === "restart")
  return {
    processes: new Set(requests.map(({ worker }) => worker)).size,
    requests: requests.length,
    grants: leases.length,
    kills: count("kill"),
    killsHolding: killedOf(leases.filter(({ ended }) => !ended)),
    killsWaiting: killedOf(requests.filter(({ answered }) => answered === undefined)),
    pauses: count("pause"),
    cuts: count("cut"),
    hangs: count("hang"),
    lostAnswers: count("deafen"),
    restarts: restarts.length,
    waitingAtRestart: Math.max(0, ...restarts.map(({ from }) => waitingAt(from))),
    wipes: troubles.filter(({ forgets }) => forgets).length,
    writes: writes.length,
    fenced: leases.filter(({ fenced }) => fenced !== undefined).length,
  }
}
