import { readFileSync } from "node:fs"
import { setInterval } from "node:timers"

/** Thrown instead of starting work after a shutdown was requested. */
export class Stopped extends Error {}

/** Closes everything that a start has opened, in reverse order; requested by a signal, or when npm above us ends. */
export class Shutdown {
  readonly #closers: (() => Promise<unknown>)[] = []
  /** Resolves with the exit status when a shutdown is requested. */
  readonly requested: Promise<number>
  #isRequested = false

  constructor() {
    this.requested = new Promise((resolve) => {
      const request = (status: number) => {
        // A second request means: don't wait. Our children end by themselves when this process is gone.
        if (this.#isRequested) process.exit(status)
        this.#isRequested = true
        resolve(status)
      }
      process.on("SIGINT", () => request(130))
      process.on("SIGTERM", () => request(143))
      process.on("SIGHUP", () => request(129))
      const atStart = ancestors()
      setInterval(() => ancestors() !== atStart && !this.#isRequested && request(143), 1_000).unref()
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

/** The processes that wait for us: npm, and the shell between npm and us, which outlives npm. */
function ancestors(): string {
  try {
    return `${process.ppid} ${/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${process.ppid}/status`, "utf8"))?.[1]}`
  } catch {
    return `${process.ppid}`
  }
}
