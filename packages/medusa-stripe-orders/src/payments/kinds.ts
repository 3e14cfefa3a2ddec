import { type PaymentState, statesOf } from "./states"

/** A selection that an operator asks for, as states and what more is true of the row. */
interface Kind {
  readonly states: readonly PaymentState[]
  readonly where?: string
}

const kinds = {
  needs_review: { states: ["review"] },
  disputed: { states: ["disputed"] },
  sold_out: {
    states: ["review", "refunding", "refunding_rest", "refunded", "canceled"],
    where: "reason LIKE 'out of stock: %'",
  },
  retrying: { states: [...statesOf("decide"), ...statesOf("carry out")], where: "attempts > 0" },
  being_captured: { states: ["ordered", "awaiting_capture"] },
  refunded: { states: ["refunding", "refunding_rest", "refunded", "canceled"] },
  ignored: { states: ["ignored", "dismissed"] },
} as const satisfies Record<string, Kind>

export type PaymentKind = keyof typeof kinds

export const PAYMENT_KINDS = Object.keys(kinds) as PaymentKind[]

export function isPaymentKind(name: string): name is PaymentKind {
  return Object.hasOwn(kinds, name)
}

/** What a payment of this kind is, as a condition of SQL on its row. */
export function conditionOf(kind: PaymentKind): string {
  const { states, where = "true" }: Kind = kinds[kind]
  return `status IN (${states.map((state) => `'${state}'`).join(", ")}) AND ${where}`
}
