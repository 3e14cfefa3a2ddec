import { type Deadline, Deadlines } from "./deadlines.js"

/** Is called at `due`, a time of `performance.now()`. */
export interface TimerEntry extends Deadline {
  onDue(now: number): void
}

/** The longest delay that a Node timer holds. What is due later is checked again then. */
const LONGEST_DELAY = 2 ** 31 - 1

/**
 * All that a process waits for behind one timer: 10,000 waiting requests and 100,000 leases are one timer.
 * The timer keeps the process alive only while a request waits, never for a lease.
 */
export class TimerQueue<T extends TimerEntry = TimerEntry> {
  readonly #deadlines = new Deadlines<T>()
  #timer: NodeJS.Timeout | undefined
  #timerDue = Number.POSITIVE_INFINITY
  #keepsAlive = false

  /** In no order. */
  get entries(): readonly T[] {
    return this.#deadlines.all
  }

  /** `due` may be `Infinity`. */
  schedule(entry: T, due: number): void {
    this.#deadlines.set(entry, due)
  }

  cancel(entry: T): void {
    this.#deadlines.delete(entry)
  }

  /** Sets the timer for the entry that is due first. To be called when a round of changes is over. */
  arm(keepAlive: boolean): void {
    const due = this.#deadlines.first?.due ?? Number.POSITIVE_INFINITY
    // A timer that is early, or for nothing, costs one check; setting it anew for each grant would cost more.
    if (due < this.#timerDue || (keepAlive && !this.#timer)) this.#start(due)
    if (keepAlive !== this.#keepsAlive) this.#keepAlive(keepAlive)
  }

  /** Calls no entry any more, unless it is armed again. */
  disarm(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#timerDue = Number.POSITIVE_INFINITY
    this.#keepsAlive = false
  }

  #start(due: number): void {
    clearTimeout(this.#timer)
    // Rounded up: a timer that fires a fraction of a ms early would find nothing due and spin.
    const delay = Math.min(Math.max(Math.ceil(due - performance.now()), 0), LONGEST_DELAY)
    this.#timer = setTimeout(() => this.#onTimer(), delay)
    this.#timerDue = due
    this.#keepAlive(this.#keepsAlive)
  }

  /** In jsdom a timer is a number, and holds no process. */
  #keepAlive(keepAlive: boolean): void {
    this.#keepsAlive = keepAlive
    if (keepAlive) this.#timer?.ref?.()
    else this.#timer?.unref?.()
  }

  #onTimer(): void {
    this.#timer = undefined
    this.#timerDue = Number.POSITIVE_INFINITY
    const now = performance.now()
    for (let first = this.#deadlines.first; first && first.due <= now; first = this.#deadlines.first) {
      this.#deadlines.delete(first)
      first.onDue(now)
    }
    // With the present value: an entry that was called may have been the last that kept the process alive.
    this.arm(this.#keepsAlive)
  }
}
