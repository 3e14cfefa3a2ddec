import { Random } from "../../../packages/lock/torture/random.ts"
import type { Currency, Line } from "../launch/shop-api/store-client.ts"
import { HOT_SKU } from "../src/seed/catalog.ts"

/** What becomes of a payment after it is made, apart from its order. */
export const AFTERMATHS = [
  "refund at once",
  "cancel at once",
  "refund a part",
  "refund all",
  "dispute",
  "win a dispute",
  "lose a dispute",
  "admin refunds",
  "admin cancels",
] as const
export type Aftermath = (typeof AFTERMATHS)[number]

export interface Purchase {
  email: string
  lines: Line[]
  currency: Currency
  capture: "manual" | "automatic"
  /**
   * cart: a storefront's checkout. items: one outside Medusa that only lists the items. session: Stripe's own page. link: the
   * same, by a Payment Link.
   */
  checkout: "cart" | "items" | "session" | "link"
  /** What the store's own hooks answer about it; without, it is refunded where it is not in stock, and captured. */
  outOfStock?: "backorder" | "partial" | "review"
  beforeCapture?: "wait" | "cancel"
  /** The storefront holds the cart's stock while its buyer pays. */
  holds: boolean
  /** The storefront completes the cart itself as well. */
  completes: boolean
  aftermath?: Aftermath
}

export const TROUBLES = ["kill", "pause", "postgres", "redis", "stripe", "limits", "stock"] as const
export type TroubleKind = (typeof TROUBLES)[number]

/** Something that goes wrong, or that the admin does to the stock, once so many payments were begun. */
export interface Trouble {
  after: number
  kind: TroubleKind
  /** Decides the rest: which shop, for how long. */
  seed: number
}

export interface Size {
  seed: number
  payments: number
  kills: number
  redis: boolean
}

export interface Plan {
  purchases: Purchase[]
  troubles: Trouble[]
  /** Units by SKU, at the start. */
  stock: Record<string, number>
}

/** All choices of a run, from its seed. When the processes do what, the operating system decides, and no seed. */
export function planOf({ seed, payments, kills, redis }: Size): Plan {
  const random = new Random(seed)
  const purchases = Array.from({ length: payments }, (_, index) => purchaseOf(random, index))
  return { purchases, troubles: troublesOf(random, payments, kills, redis), stock: stockFor(purchases) }
}

function purchaseOf(random: Random, index: number): Purchase {
  const lines = linesOf(random)
  const checkout = random.chance(0.25)
    ? "cart"
    : random.pick(["session", "link", "items", "items", "items"] as const)
  return {
    email: `buyer${random.chance(0.05) ? Math.max(0, index - 1) : index}@torture.example`,
    lines,
    currency: checkout === "cart" ? random.pick(["usd", "usd", "eur", "jpy"] as const) : "usd",
    capture: random.chance(0.5) ? "manual" : "automatic",
    checkout,
    holds: checkout === "cart" && random.chance(0.5),
    completes: checkout === "cart" && random.chance(0.4),
    ...(random.chance(0.3) && { aftermath: random.pick(AFTERMATHS) }),
    ...(checkout !== "cart" && random.chance(0.4) && { outOfStock: random.pick(answersFor(lines)) }),
    ...(checkout !== "cart" &&
      random.chance(0.1) && { beforeCapture: random.pick(["wait", "cancel"] as const) }),
  }
}

/** An item that is backordered leaves nothing to others, however much the admin adds: the hot one is left to the race. */
function answersFor(lines: Line[]) {
  const isHot = lines.some(({ sku }) => sku === HOT_SKU)
  return isHot ? (["partial", "review"] as const) : (["backorder", "partial", "review"] as const)
}

const OTHERS = ["MUG", "MUG-PAIR", "SHIRT-S", "SHIRT-M", "SHIRT-L", "LANTERN-STANDARD"]

function linesOf(random: Random): Line[] {
  const wants = random.chance(0.5) ? [HOT_SKU] : [random.pick(OTHERS)]
  const also = random.chance(0.3) ? [random.pick(OTHERS.filter((sku) => !wants.includes(sku)))] : []
  return [...wants, ...also].map((sku) => ({ sku, quantity: random.chance(0.2) ? 2 : 1 }))
}

/** The mug and the pair of mugs share an item, and neither it nor the lantern lasts for all; the rest does. */
function stockFor(purchases: Purchase[]): Record<string, number> {
  const lines = purchases.flatMap((purchase) => purchase.lines)
  const demand = (sku: string, takes = 1) =>
    lines.reduce((sum, line) => sum + (line.sku === sku ? line.quantity * takes : 0), 0)
  return {
    [HOT_SKU]: Math.ceil(demand(HOT_SKU) * 0.4),
    MUG: Math.ceil((demand("MUG") + demand("MUG-PAIR", 2)) * 0.6),
    ...Object.fromEntries(["SHIRT-S", "SHIRT-M", "SHIRT-L", "LANTERN-STANDARD"].map((sku) => [sku, 100_000])),
  }
}

/** Beside each kill: how many of the others there are. */
const BESIDE_A_KILL: Readonly<Record<Exclude<TroubleKind, "kill">, number>> = {
  pause: 0.5,
  postgres: 0.1,
  redis: 0.1,
  stripe: 1,
  limits: 0.2,
  stock: 1,
}

function troublesOf(random: Random, payments: number, kills: number, redis: boolean): Trouble[] {
  const others = Object.entries(BESIDE_A_KILL) as [TroubleKind, number][]
  const kinds = others
    .filter(([kind]) => redis || kind !== "redis")
    .flatMap(([kind, share]) => Array<TroubleKind>(Math.max(1, Math.round(share * kills))).fill(kind))
  const drawn = random.shuffle([...Array<TroubleKind>(kills).fill("kill"), ...kinds])
  // Not among the first payments, which find the shops cold, and not after the last.
  return drawn.map((kind, index) => ({
    after: Math.floor(payments * (0.05 + (0.9 * (index + random.next())) / drawn.length)),
    kind,
    seed: Math.floor(random.next() * 2 ** 32),
  }))
}
