import type { Level, Units } from "../medusa/inventory"
import type { Demand } from "../order-draft/order-draft"
import type { WhenOutOfStock } from "./out-of-stock"

/**
 * Who gets the stock, and from where: decided in one place and without I/O.
 *
 * The caller holds the levels' rows locked (`FOR UPDATE`), so what is decided here stays true until it commits.
 */

/** One buyer's demands. */
export interface StockRequest {
  id: string
  demands: Demand[]
  whenOutOfStock: WhenOutOfStock
  /** the store's own choice of locations, the preferred one first */
  locationIds?: string[]
  /** what this buyer holds: reserved in the levels, and by no other cart */
  held?: Units[]
  /** whether a request that gets nothing keeps what it holds; else that is the next one's */
  keepsHeld?: boolean
}

/** Units of an order line that are taken at one location. */
export interface Take {
  line_item_id: string
  location_id: string
  quantity: number
}

/** An order line that could not be served whole; in units of the line. */
export interface Shortage {
  line_item_id: string
  wanted: number
  available: number
}

export interface StockResult {
  /** by request */
  taken: Map<string, Take[]>
  /** by request: what is missing. A request that is served in part is in both. */
  short: Map<string, Shortage[]>
  /** by request: lines that may be sold without stock, and that no location keeps */
  unstocked: Map<string, string[]>
}

/**
 * Serves the requests in the order given: first come, first served. A request that can't be met whole takes nothing and
 * leaves the stock to the next, unless its order may be backordered or served in part.
 */
export function allocate(levels: Level[], requests: StockRequest[]): StockResult {
  const stock = new Stock(levels)
  const result: StockResult = { taken: new Map(), short: new Map(), unstocked: new Map() }
  for (const request of requests) {
    const { id, held = [] } = request
    stock.add(held)
    const demands = ranked(stock, request)
    const unstocked = demands.filter((demand) => demand.allow_backorder && !stock.keeps(demand))
    if (unstocked.length > 0) {
      result.unstocked.set(
        id,
        unstocked.map(({ line_item_id }) => line_item_id),
      )
    }
    const takes =
      unstocked.length > 0
        ? null
        : (serveWhole(stock, demands) ??
          otherwise(stock, demands, request.whenOutOfStock, (short) => result.short.set(id, short)))
    if (takes) {
      stock.take(demands, takes)
      result.taken.set(id, takes)
    } else if (request.keepsHeld) {
      stock.remove(held)
    }
  }
  return result
}

/** What a request gets that can't be met whole; null where that is nothing. */
function otherwise(
  stock: Stock,
  demands: Demand[],
  policy: WhenOutOfStock,
  tell: (short: Shortage[]) => void,
): Take[] | null {
  const some = serveInPart(stock, demands)
  const got = new Map<string, number>()
  for (const { line_item_id, quantity } of some) {
    got.set(line_item_id, (got.get(line_item_id) ?? 0) + quantity)
  }
  const missing = demands.map(({ line_item_id, quantity: wanted }) => {
    return { line_item_id, wanted, available: got.get(line_item_id) ?? 0 }
  })
  tell(missing.filter(({ wanted, available }) => available < wanted))
  if (policy === "backorder") {
    return serveWhole(
      stock,
      demands.map((demand) => ({ ...demand, allow_backorder: stock.keeps(demand) })),
    )
  }
  return policy === "partial" && some.length > 0 ? some : null
}

/**
 * Locations in the order in which they are used: the store's own, or those where the buyer holds most, then those that can
 * serve the most of the order.
 */
function ranked(stock: Stock, { demands, locationIds, held = [] }: StockRequest): Demand[] {
  const named = (demand: Demand) =>
    locationIds ? locationIds.filter((id) => demand.location_ids.includes(id)) : demand.location_ids
  const all = [...new Set(demands.flatMap(named))]
  if (locationIds || all.length < 2) {
    return demands.map((demand) => ({ ...demand, location_ids: named(demand) }))
  }
  const serves = new Map(
    all.map((location) => {
      const here = demands.flatMap((demand) =>
        demand.location_ids.includes(location) ? [{ ...demand, location_ids: [location] }] : [],
      )
      return [location, serveInPart(stock, here).reduce((sum, { quantity }) => sum + quantity, 0)]
    }),
  )
  const heldAt = (location: string) =>
    held.reduce((sum, { location_id, quantity }) => sum + (location_id === location ? quantity : 0), 0)
  const most = (a: string, b: string) => heldAt(b) - heldAt(a) || (serves.get(b) ?? 0) - (serves.get(a) ?? 0)
  return demands.map((demand) => ({ ...demand, location_ids: [...demand.location_ids].sort(most) }))
}

/**
 * How many ways of spreading an order over locations are tried. Kits and lines that share items can need several; where
 * a sum already says no, none is.
 */
const MOST_TRIES = 5_000

/** All of the demands, or null. A line is taken at one location where one can serve it, else at as many as it needs. */
function serveWhole(stock: Stock, demands: Demand[]): Take[] | null {
  if (!stock.sumsSuffice(demands)) {
    return null
  }
  let tries = MOST_TRIES
  // What may be backordered is served last, and leaves the others what there is.
  const inOrder = [...demands].sort((a, b) => Number(a.allow_backorder) - Number(b.allow_backorder))
  const serveFrom = (index: number): Take[] | null => {
    const demand = inOrder[index]
    if (!demand) {
      return []
    }
    for (const takes of waysToServe(stock, demand)) {
      tries -= 1
      if (tries < 0) {
        return null
      }
      stock.take([demand], takes)
      const rest = serveFrom(index + 1)
      stock.putBack([demand], takes)
      if (rest) {
        return [...takes, ...rest]
      }
    }
    return null
  }
  return serveFrom(0)
}

/** The ways to serve one line, the preferred one first. */
function* waysToServe(stock: Stock, demand: Demand): Generator<Take[]> {
  const { line_item_id, location_ids, quantity } = demand
  const at = (location_id: string) => ({ line_item_id, location_id, quantity })
  for (const location of location_ids) {
    if (stock.unitsAt(location, demand) >= quantity) {
      yield [at(location)]
    }
  }
  for (const takes of splits(stock, demand, location_ids, quantity)) {
    if (takes.length > 1) {
      yield takes
    }
  }
  const kept = location_ids.find((location) => stock.keepsAt(location, demand))
  if (demand.allow_backorder && kept) {
    yield [at(kept)]
  }
}

function* splits(stock: Stock, demand: Demand, locations: string[], quantity: number): Generator<Take[]> {
  const [location_id, ...others] = locations
  if (quantity === 0) {
    yield []
  } else if (location_id !== undefined) {
    const { line_item_id } = demand
    const most = Math.min(quantity, Math.floor(stock.unitsAt(location_id, demand)))
    for (let units = most; units > 0; units -= 1) {
      for (const rest of splits(stock, demand, others, quantity - units)) {
        yield [{ line_item_id, location_id, quantity: units }, ...rest]
      }
    }
    yield* splits(stock, demand, others, quantity)
  }
}

/** As much of each demand as there is, line by line. */
function serveInPart(stock: Stock, demands: Demand[]): Take[] {
  const all: Take[] = []
  for (const demand of demands) {
    const { line_item_id } = demand
    let missing = demand.quantity
    for (const location_id of demand.location_ids) {
      const units = stock.unitsAt(location_id, demand)
      const quantity = units >= missing ? missing : Math.max(0, Math.floor(units))
      if (quantity > 0) {
        const take = { line_item_id, location_id, quantity }
        stock.take([demand], [take])
        all.push(take)
        missing -= quantity
      }
    }
  }
  stock.putBack(demands, all)
  return all
}

/** What is left at each location while requests are served. */
class Stock {
  readonly #left = new Map<string, number>()

  constructor(levels: Level[]) {
    for (const { inventory_item_id, location_id, available } of levels) {
      this.#left.set(`${inventory_item_id} ${location_id}`, available)
    }
  }

  /** Whole units of the line that a location has: all parts of a kit lie there. */
  unitsAt(location: string, { parts }: Demand): number {
    return Math.min(
      ...parts.map(({ inventory_item_id, required_quantity }) => {
        return (this.#left.get(`${inventory_item_id} ${location}`) ?? 0) / required_quantity
      }),
    )
  }

  keepsAt(location: string, { parts }: Demand): boolean {
    return parts.every(({ inventory_item_id }) => this.#left.has(`${inventory_item_id} ${location}`))
  }

  keeps(demand: Demand): boolean {
    return demand.location_ids.some((location) => this.keepsAt(location, demand))
  }

  /** Whether there is enough of each item in all places together: where not, no way of spreading the order helps. */
  sumsSuffice(demands: Demand[]): boolean {
    const needed = new Map<string, number>()
    const places = new Map<string, Set<string>>()
    for (const { parts, quantity, location_ids } of demands.filter((demand) => !demand.allow_backorder)) {
      for (const { inventory_item_id: item, required_quantity } of parts) {
        needed.set(item, (needed.get(item) ?? 0) + quantity * required_quantity)
        places.set(item, new Set([...(places.get(item) ?? []), ...location_ids]))
      }
    }
    return [...needed].every(([item, quantity]) => {
      const left = [...(places.get(item) ?? [])].map((place) => this.#left.get(`${item} ${place}`) ?? 0)
      return left.reduce((sum, some) => sum + Math.max(0, some), 0) >= quantity
    })
  }

  add(units: Units[]): void {
    for (const { inventory_item_id, location_id, quantity } of units) {
      const key = `${inventory_item_id} ${location_id}`
      this.#left.set(key, (this.#left.get(key) ?? 0) + quantity)
    }
  }

  remove(units: Units[]): void {
    this.add(units.map((some) => ({ ...some, quantity: -some.quantity })))
  }

  take(demands: Demand[], takes: Take[]): void {
    this.#change(demands, takes, -1)
  }

  putBack(demands: Demand[], takes: Take[]): void {
    this.#change(demands, takes, 1)
  }

  #change(demands: Demand[], takes: Take[], sign: 1 | -1): void {
    for (const { line_item_id, location_id, quantity } of takes) {
      const demand = demands.find((one) => one.line_item_id === line_item_id)
      for (const { inventory_item_id, required_quantity } of demand?.parts ?? []) {
        const key = `${inventory_item_id} ${location_id}`
        this.#left.set(key, (this.#left.get(key) ?? 0) + sign * quantity * required_quantity)
      }
    }
  }
}
