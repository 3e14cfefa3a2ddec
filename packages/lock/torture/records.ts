import { openSync, writeSync } from "node:fs"
import { readdir, readFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { now } from "./clock.ts"

/**
 * An event, as a line of JSON. `t` is a time of the common clock, taken *before* an action of the process (`request`,
 * `trusted`, `asked`), and after an event that it learns of (`refused`, `wrote`, `answered`).
 */
export type Entry = { readonly t: number } & (WorkerEntry | SessionEntry | ChaosEntry)

/** The events of a user of the lock; `n` names a request within its process, and the lease that it becomes. */
export type WorkerEntry =
  | {
      readonly e: "request"
      readonly n: number
      readonly keys: readonly string[]
      readonly owner: string
      readonly timeout: number
    }
  /** `tokens` are in the order of the keys. */
  | { readonly e: "granted"; readonly n: number; readonly id: string; readonly tokens: readonly number[] }
  | { readonly e: "refused"; readonly n: number; readonly why: string }
  /** The holder has looked at its lease after `t`, and it was not lost. */
  | { readonly e: "trusted"; readonly n: number }
  | { readonly e: "wrote"; readonly n: number; readonly accepted: boolean }
  | { readonly e: "ended"; readonly n: number; readonly how: "released" | "lost" | "unknown" }
  /** The event loop did not run for so long, in ms. */
  | { readonly e: "stalled"; readonly ms: number }

/** The batches between the core and the store; `s` names the session within its process, `q` the batch. */
export type SessionEntry =
  | {
      readonly e: "asked"
      readonly s: number
      readonly q: number
      readonly acquire: readonly Asked[]
      readonly cancel: readonly number[]
    }
  | {
      readonly e: "answered"
      readonly s: number
      readonly q: number
      readonly granted: readonly Granted[]
      readonly refused: readonly number[]
      readonly dropped: readonly number[]
    }
  | { readonly e: "unanswered"; readonly s: number; readonly q: number; readonly why: string }

export interface Asked {
  readonly seq: number
  readonly owner: string
  readonly keys: readonly string[]
}

export interface Granted {
  readonly seq: number
  readonly token: number
  readonly tokens?: readonly number[]
}

/** The disturbances of the processes, the network and the server; `until` is when they were over. */
export type ChaosEntry =
  | { readonly e: "kill"; readonly worker: string }
  | { readonly e: "pause" | "cut" | "hang" | "deafen"; readonly worker: string; readonly until: number }
  /** `forgets`: leases and queue are gone, which no process notices before its next batch. */
  | { readonly e: "restart"; readonly forgets: boolean; readonly until: number }

/** Appends to a file so that a kill -9 right after loses nothing: each line is one write. */
export class Recorder {
  readonly #file: number

  constructor(file: string) {
    this.#file = openSync(file, "a")
  }

  write(entry: WorkerEntry | SessionEntry | ChaosEntry, t = now()): void {
    writeSync(this.#file, `${JSON.stringify({ t, ...entry })}\n`)
  }
}

export const CHAOS = "chaos"

export const fileOf = (folder: string, process: string) => join(folder, `${process}.jsonl`)

/** The lines of each process, by its name. */
export async function readRecords(folder: string): Promise<Map<string, Entry[]>> {
  const records = new Map<string, Entry[]>()
  for (const file of await readdir(folder)) {
    if (!file.endsWith(".jsonl")) continue
    const lines = (await readFile(join(folder, file), "utf8")).split("\n")
    records.set(
      basename(file, ".jsonl"),
      lines.slice(0, -1).map((line) => JSON.parse(line)),
    )
  }
  return records
}
