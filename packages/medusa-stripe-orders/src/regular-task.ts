import type { Logger } from "@medusajs/framework/types"
import { messageOf } from "./payments/payments"
import { Waker } from "./waker"

/** How often a process looks whether the task has become its own. */
const LOOK_MS = 1_000

const RETRY_MS = 10_000

interface Task {
  /** for the log, as the subject of a sentence */
  name: string
  /** 0: never */
  everyMs: number
  run: () => Promise<unknown>
  /** whether it is this process's to do */
  isOurs: () => boolean
  logger: Logger
}

/**
 * Work for the whole shop that is done as soon as it is this process's to do, and then again and again. A failure is said
 * once, and tried again soon.
 */
export class RegularTask {
  readonly #task: Task
  readonly #waker = new Waker()
  #isRunning = false
  #hasFailed = false

  constructor(task: Task) {
    this.#task = task
  }

  /** Resolves when it was stopped, after what it was at. */
  async start(): Promise<void> {
    const { everyMs, isOurs } = this.#task
    this.#isRunning = everyMs > 0
    while (this.#isRunning) {
      const hasSucceeded = isOurs() && (await this.#attempt())
      // A run that ended early, since another process took over, is begun anew where that one gives the shop back.
      const pauseMs = !isOurs() ? LOOK_MS : hasSucceeded ? everyMs : Math.min(RETRY_MS, everyMs)
      await this.#waker.sleep(pauseMs)
    }
  }

  /** There may be something to do before its time. */
  wake(): void {
    this.#waker.wake()
  }

  stop(): void {
    this.#isRunning = false
    this.#waker.wake()
  }

  async #attempt(): Promise<boolean> {
    const { name, run, logger } = this.#task
    try {
      await run()
      if (this.#hasFailed) {
        logger.info(`${name}: works again`)
      }
      this.#hasFailed = false
    } catch (error) {
      if (!this.#hasFailed && this.#isRunning) {
        logger.warn(`${name}: failed, and is tried again: ${messageOf(error as Error)}`)
      }
      this.#hasFailed = true
    }
    return !this.#hasFailed
  }
}
