import { mkdir, readFile, rename, writeFile } from "node:fs/promises"
import { dirname } from "node:path"
import type { Accounts } from "./accounts.js"

const FORMAT = 1

/** Keeps the store in a file: written shortly after a change and on close, replaced in one step. */
export class StateFile {
  #timer: NodeJS.Timeout | undefined
  #writing = Promise.resolve()
  #lastCost = 0

  constructor(
    readonly path: string,
    readonly accounts: Accounts,
  ) {}

  /** Throws where the file is there but is not a state that this version reads. */
  async load(): Promise<void> {
    const text = await readFile(this.path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined
      throw error
    })
    if (text === undefined) return
    try {
      const saved = JSON.parse(text)
      if (saved.format !== FORMAT) throw new Error(`format ${saved.format}, not ${FORMAT}`)
      this.accounts.platform.store.load(saved.store)
      this.accounts.load(saved.accounts)
    } catch (cause) {
      throw new Error(`${this.path} is not a state of local Stripe; delete it to start afresh`, { cause })
    }
  }

  /** Schedules a save. A snapshot's time grows with the state, and the delay grows with it. */
  changed(): void {
    this.#timer ??= setTimeout(() => this.save(), Math.max(100, 20 * this.#lastCost))
    this.#timer.unref()
  }

  save(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing = this.#writing.then(() => this.#write())
    return this.#writing
  }

  async #write(): Promise<void> {
    const started = performance.now()
    const text = JSON.stringify({
      format: FORMAT,
      store: this.accounts.platform.store,
      accounts: this.accounts,
    })
    this.#lastCost = performance.now() - started
    await mkdir(dirname(this.path), { recursive: true })
    await writeFile(`${this.path}.new`, text, { mode: 0o600 })
    await rename(`${this.path}.new`, this.path)
  }
}
