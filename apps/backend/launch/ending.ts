import { setInterval } from "node:timers"

/** Ends, in reverse order, what a start has started; on Ctrl-C too, and when npm in front of us is gone. */
export class Ending {
  readonly #closers: (() => Promise<unknown>)[] = []
  /** Settles with the exit status when the start is to end before its time. */
  readonly asked: Promise<number>
  #isAsked = false

  constructor() {
    this.asked = new Promise((resolve) => {
      const ask = (status: number) => {
        // Asked twice: whoever asks doesn't want to wait. Our children end by themselves when we are gone.
        if (this.#isAsked) process.exit(status)
        this.#isAsked = true
        resolve(status)
      }
      process.on("SIGINT", () => ask(130))
      process.on("SIGTERM", () => ask(143))
      process.on("SIGHUP", () => ask(129))
      const parent = process.ppid
      setInterval(() => process.ppid !== parent && !this.#isAsked && ask(143), 1_000).unref()
    })
  }

  add(closer: () => Promise<unknown>): void {
    this.#closers.push(closer)
  }

  async close(): Promise<void> {
    for (const closer of this.#closers.splice(0).reverse()) await closer()
  }
}
