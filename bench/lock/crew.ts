import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { Contender } from "./contenders/index.ts"
import type { Hold } from "./holder.ts"
import type { What } from "./idleness.ts"

const worker = fileURLToPath(new URL("worker.ts", import.meta.url))

/** What a process of a crew can be told to do. */
export type Order =
  | { readonly do: "contend"; readonly waiters: number; readonly job: number }
  /** Answered as soon as it holds. */
  | ({ readonly do: "hold" } & Hold)
  | { readonly do: "report" }
  | { readonly do: "gather"; readonly what: What; readonly count: number }
  | { readonly do: "rest"; readonly window: number }

/** Other processes that use the same contender. */
export class Crew {
  readonly #members: readonly ChildProcess[]

  private constructor(members: readonly ChildProcess[]) {
    this.#members = members
  }

  static async of(size: number, { name }: Contender, address: string): Promise<Crew> {
    const options = { execArgv: ["--import", "tsx", "--expose-gc"] }
    const members = Array.from({ length: size }, () => fork(worker, [name, address], options))
    await Promise.all(members.map((it) => once(it, "message")))
    return new Crew(members)
  }

  /** All members do it at the same time. A member that dies of it answers with undefined. */
  order<Outcome>(order: Order): Promise<(Outcome | undefined)[]> {
    return Promise.all(this.#members.map((it) => answer<Outcome>(it, order)))
  }

  async dismiss(): Promise<void> {
    await Promise.all(this.#members.map(end))
  }
}

function answer<Outcome>(member: ChildProcess, order: Order): Promise<Outcome | undefined> {
  return new Promise((resolve) => {
    if (isDead(member)) return resolve(undefined)
    const hear = (message: unknown) => {
      member.off("exit", die)
      resolve(message as Outcome)
    }
    const die = () => {
      member.off("message", hear)
      resolve(undefined)
    }
    member.once("message", hear)
    member.once("exit", die)
    member.send(order)
  })
}

async function end(member: ChildProcess): Promise<void> {
  if (isDead(member)) return
  const ended = once(member, "exit")
  member.kill("SIGKILL")
  await ended
}

function isDead({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}
