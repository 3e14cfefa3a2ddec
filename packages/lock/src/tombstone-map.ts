/** So many deleted keys may stay before they are swept out. */
const STAY = 1_024

/**
 * A map for what comes and goes. To add to a `Map` and delete from it at each turn makes V8 promote its old tables
 * with all that they hold: two thirds of the time of an acquire and a release went into collecting them. So a
 * deleted key stays, without its value, until such keys outnumber the others.
 */
export class TombstoneMap<K, V extends object> {
  #map = new Map<K, V | undefined>()
  #deleted = 0

  get size(): number {
    return this.#map.size - this.#deleted
  }

  get(key: K): V | undefined {
    return this.#map.get(key)
  }

  set(key: K, value: V): void {
    const { size } = this.#map
    const absent = this.#map.get(key) === undefined
    this.#map.set(key, value)
    if (absent && this.#map.size === size) this.#deleted--
  }

  delete(key: K): void {
    if (this.#map.get(key) === undefined) return
    this.#map.set(key, undefined)
    if (++this.#deleted > Math.max(this.size, STAY)) this.#sweep()
  }

  *[Symbol.iterator](): Generator<[K, V]> {
    for (const [key, value] of this.#map) if (value !== undefined) yield [key, value]
  }

  #sweep(): void {
    this.#map = new Map(this)
    this.#deleted = 0
  }
}
