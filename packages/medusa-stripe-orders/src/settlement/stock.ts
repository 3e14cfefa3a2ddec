/**
 * Who gets the stock, decided in one place and without I/O.
 *
 * The caller holds the levels' rows locked (`FOR UPDATE`), so what is decided here stays true until it commits.
 */

/** What is there: one inventory item at one location. */
export interface Level {
  id: string
  inventory_item_id: string
  location_id: string
  /** stocked − reserved; negative when more is promised than is there */
  available: number
}

/** What one order line needs of one inventory item. */
export interface Demand {
  line_item_id: string
  inventory_item_id: string
  /** units of the inventory item: line quantity × required_quantity */
  quantity: number
  allow_backorder: boolean
  /** where it may be taken from, the preferred place first */
  location_ids: string[]
}

/** One buyer's demands: all of them are met, or none. */
export interface Claim {
  id: string
  demands: Demand[]
}

export interface Taking extends Demand {
  level_id: string
  location_id: string
}

export interface Shortage {
  inventory_item_id: string
  wanted: number
  available: number
}

export interface Allocation {
  /** by claim id */
  taken: Map<string, Taking[]>
  /** by claim id: the first demand that could not be met */
  short: Map<string, Shortage>
}

/**
 * Serves the claims in the order given: first come, first served. A claim that can't be met whole takes nothing
 * and leaves the stock to whoever comes next. One line is taken from one location, since Medusa fulfils a line
 * from one location.
 */
export function allocate(levels: Level[], claims: Claim[]): Allocation {
  const left = new Map(levels.map((level) => [level.id, level.available]))
  const allocation: Allocation = { taken: new Map(), short: new Map() }
  for (const claim of claims) {
    const attempt = takeAll(levels, left, claim.demands)
    if (Array.isArray(attempt)) {
      allocation.taken.set(claim.id, attempt)
    } else {
      allocation.short.set(claim.id, attempt)
    }
  }
  return allocation
}

function takeAll(levels: Level[], left: Map<string, number>, demands: Demand[]): Taking[] | Shortage {
  const takings: Taking[] = []
  for (const demand of demands) {
    const places = placesFor(levels, demand)
    const level =
      places.find(({ id }) => (left.get(id) ?? 0) >= demand.quantity) ?? backorderPlace(places, demand)
    if (!level) {
      giveBack(left, takings)
      return shortage(left, places, demand)
    }
    left.set(level.id, (left.get(level.id) ?? 0) - demand.quantity)
    takings.push({ ...demand, level_id: level.id, location_id: level.location_id })
  }
  return takings
}

function placesFor(levels: Level[], demand: Demand): Level[] {
  return demand.location_ids.flatMap((location) =>
    levels.filter((l) => l.location_id === location && l.inventory_item_id === demand.inventory_item_id),
  )
}

function backorderPlace(places: Level[], demand: Demand): Level | undefined {
  return demand.allow_backorder ? places[0] : undefined
}

function giveBack(left: Map<string, number>, takings: Taking[]): void {
  for (const { level_id, quantity } of takings) {
    left.set(level_id, (left.get(level_id) ?? 0) + quantity)
  }
}

function shortage(left: Map<string, number>, places: Level[], demand: Demand): Shortage {
  const available = Math.max(0, ...places.map(({ id }) => left.get(id) ?? 0))
  return { inventory_item_id: demand.inventory_item_id, wanted: demand.quantity, available }
}
