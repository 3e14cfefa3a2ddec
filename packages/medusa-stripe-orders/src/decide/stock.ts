import type { Level } from "../medusa/inventory"
import type { Demand } from "../order-draft/order-draft"

/**
 * Who gets the stock, decided in one place and without I/O.
 *
 * The caller holds the levels' rows locked (`FOR UPDATE`), so what is decided here stays true until it commits.
 */

/** One buyer's demands: all of them are met, or none. */
export interface StockRequest {
  id: string
  demands: Demand[]
}

export interface StockAllocation extends Demand {
  level_id: string
  location_id: string
}

export interface Shortage {
  inventory_item_id: string
  wanted: number
  available: number
}

export interface StockResult {
  /** by request id */
  allocated: Map<string, StockAllocation[]>
  /** by request id: the first demand that could not be met */
  short: Map<string, Shortage>
}

/**
 * Serves the requests in the order given: first come, first served. A request that can't be met whole takes nothing
 * and leaves the stock to the next. One line is taken from one location, since Medusa fulfils a line from one location.
 */
export function allocate(levels: Level[], requests: StockRequest[]): StockResult {
  const left = new Map(levels.map((level) => [level.id, level.available]))
  const result: StockResult = { allocated: new Map(), short: new Map() }
  for (const request of requests) {
    const attempt = allocateAll(levels, left, request.demands)
    if (Array.isArray(attempt)) {
      result.allocated.set(request.id, attempt)
    } else {
      result.short.set(request.id, attempt)
    }
  }
  return result
}

function allocateAll(
  levels: Level[],
  left: Map<string, number>,
  demands: Demand[],
): StockAllocation[] | Shortage {
  const allocations: StockAllocation[] = []
  for (const demand of demands) {
    const candidates = levelsFor(levels, demand)
    const level =
      candidates.find(({ id }) => (left.get(id) ?? 0) >= demand.quantity) ??
      backorderLevel(candidates, demand)
    if (!level) {
      putBack(left, allocations)
      return shortage(left, candidates, demand)
    }
    left.set(level.id, (left.get(level.id) ?? 0) - demand.quantity)
    allocations.push({ ...demand, level_id: level.id, location_id: level.location_id })
  }
  return allocations
}

function levelsFor(levels: Level[], demand: Demand): Level[] {
  return demand.location_ids.flatMap((location) =>
    levels.filter((l) => l.location_id === location && l.inventory_item_id === demand.inventory_item_id),
  )
}

function backorderLevel(candidates: Level[], demand: Demand): Level | undefined {
  return demand.allow_backorder ? candidates[0] : undefined
}

function putBack(left: Map<string, number>, allocations: StockAllocation[]): void {
  for (const { level_id, quantity } of allocations) {
    left.set(level_id, (left.get(level_id) ?? 0) + quantity)
  }
}

function shortage(left: Map<string, number>, candidates: Level[], demand: Demand): Shortage {
  const available = Math.max(0, ...candidates.map(({ id }) => left.get(id) ?? 0))
  return { inventory_item_id: demand.inventory_item_id, wanted: demand.quantity, available }
}
