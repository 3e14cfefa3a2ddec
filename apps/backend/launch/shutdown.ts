import { readFileSync } from "node:fs"
import { setInterval } from "node:timers"

/** Thrown where work would go on after the end has been asked for. */
export class Stopped extends Error {}

/** Ends, in reverse order, what a start has started; on Ctrl-C too, and when npm in front of us is gone. */
export class Shutdown {
  readonly #closers: (() => Promise<unknown>)[] = []
  /** Settles with the exit status when the start is to end before its time. */
  readonly requested: Promise<number>
  #isRequested = false

  constructor() {
    this.requested = new Promise((resolve) => {
      const ask = (status: number) => {
        // Asked twice: whoever asks doesn't want to wait. Our children end by themselves when we are gone.
        if (this.#isRequested) process.exit(status)
        this.#isRequested = true
        resolve(status)
      }
      process.on("SIGINT", () => ask(130))
      process.on("SIGTERM", () => ask(143))
      process.on("SIGHUP", () => ask(129))
      const inFront = ancestors()
      setInterval(() => ancestors() !== inFront && !this.#isRequested && ask(143), 1_000).unref()
    })
  }

  get isRequested(): boolean {
    return this.#isRequested
  }

  /** @throws Stopped */
  throwIfRequested(): void {
    if (this.#isRequested) throw new Stopped("The start was interrupted.")
  }

  add(closer: () => Promise<unknown>): void {
    this.#closers.push(closer)
  }

  async close(): Promise<void> {
    for (const closer of this.#closers.splice(0).reverse()) await closer()
  }
}

/** Who waits for us: npm, and the shell between npm and us, which outlives it. */
function ancestors(): string {
  try {
    return `${process.ppid} ${/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${process.ppid}/status`, "utf8"))?.[1]}`
  } catch {
    return `${process.ppid}`
  }
}
