export interface Contender {
  readonly name: string
  /** The webhook's path. */
  readonly hook: string
  readonly isOurs: boolean
}

const naive = (name: string, lock: string): Contender => ({
  name,
  hook: `/naive?lock=${lock}`,
  isOurs: false,
})

export const CONTENDERS: readonly Contender[] = [
  naive("no lock", "none"),
  naive("lock by payment", "payment"),
  naive("lock by cart", "cart"),
  naive("lock by both", "both"),
  naive("lock by item", "item"),
  { name: "Holdfast", hook: "/hooks/stripe", isOurs: true },
]

export interface Scenario {
  readonly name: string
  readonly stock: number
  readonly payments: number
  readonly deliveries: number
}

export const SCENARIOS: readonly Scenario[] = [
  { name: "50 payments, stock 5", stock: 5, payments: 50, deliveries: 1 },
  { name: "50 payments, stock 10", stock: 10, payments: 50, deliveries: 1 },
  { name: "50 payments, stock 20", stock: 20, payments: 50, deliveries: 1 },
  { name: "1 payment delivered 10 times, stock 20", stock: 20, payments: 1, deliveries: 10 },
]
