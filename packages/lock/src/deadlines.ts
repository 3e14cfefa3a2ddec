/** Something that is due at a time. `slot` belongs to the `Deadlines` that it is in; it starts as -1. */
export interface Deadline {
  due: number
  slot: number
}

/**
 * The earliest deadline first: a binary heap in which each member knows its place, so that one can be
 * moved or removed in O(log n). Removing lazily instead would keep 30 s of released leases in memory.
 */
export class Deadlines<T extends Deadline> {
  readonly #heap: T[] = []

  get first(): T | undefined {
    return this.#heap[0]
  }

  /** In no order. */
  get all(): readonly T[] {
    return this.#heap
  }

  /** Adds `item`, or moves it, to be due at `due`. */
  set(item: T, due: number): void {
    item.due = due
    if (item.slot < 0) item.slot = this.#heap.push(item) - 1
    this.#settle(item)
  }

  delete(item: T): void {
    if (item.slot < 0) return
    const last = this.#heap.pop() as T
    if (last !== item) {
      last.slot = item.slot
      this.#heap[item.slot] = last
      this.#settle(last)
    }
    item.slot = -1
  }

  #settle(item: T): void {
    const start = item.slot
    this.#rise(item)
    if (item.slot === start) this.#sink(item)
  }

  #rise(item: T): void {
    const heap = this.#heap
    let slot = item.slot
    while (slot > 0) {
      const above = (slot - 1) >> 1
      const parent = heap[above] as T
      if (parent.due <= item.due) break
      heap[slot] = parent
      parent.slot = slot
      slot = above
    }
    heap[slot] = item
    item.slot = slot
  }

  #sink(item: T): void {
    const heap = this.#heap
    let slot = item.slot
    for (;;) {
      let below = 2 * slot + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && (heap[below + 1] as T).due < (heap[below] as T).due) below++
      const child = heap[below] as T
      if (child.due >= item.due) break
      heap[slot] = child
      child.slot = slot
      slot = below
    }
    heap[slot] = item
    item.slot = slot
  }
}
