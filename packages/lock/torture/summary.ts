import type { History } from "./history.ts"

/** What a run amounted to. */
export interface Figures {
  readonly processes: number
  readonly requests: number
  readonly grants: number
  /** kill -9, and how many of them hit a process that held, or that waited. */
  readonly kills: number
  readonly killsHolding: number
  readonly killsWaiting: number
  readonly pauses: number
  readonly cuts: number
  readonly hangs: number
  readonly restarts: number
  readonly wipes: number
  /** Guarded writes, and how many the guard refused. */
  readonly writes: number
  readonly fenced: number
}

export function figuresOf({ requests, leases, writes, troubles }: History): Figures {
  const count = (kind: string) => troubles.filter((trouble) => trouble.kind === kind).length
  const killed = new Set(troubles.flatMap(({ kind, worker }) => (kind === "kill" && worker ? [worker] : [])))
  const killedOf = (list: readonly { worker: string }[]) =>
    new Set(list.flatMap(({ worker }) => (killed.has(worker) ? [worker] : []))).size
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
    restarts: count("restart"),
    wipes: troubles.filter(({ forgets }) => forgets).length,
    writes: writes.length,
    fenced: leases.filter(({ fenced }) => fenced !== undefined).length,
  }
}
