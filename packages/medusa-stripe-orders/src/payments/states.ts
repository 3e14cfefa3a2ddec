/**
 * The states of a payment: one table, from which SQL, routes, tests and pages take what they know of states.
 *
 * A payment in a state with an actor is due, or waits for the time in its `due_at`. A payment without an actor rests: a
 * person, or a new event, moves it on.
 */

/** Who acts on a payment: the ordered part, the slow part, a person; null where nothing is left to do. */
export type Actor = "decide" | "carry out" | "person" | null

interface StateRow {
  readonly actor: Actor
  /** What may follow. To stay in a state is always allowed. */
  readonly next: readonly string[]
  /** Where an event takes the payment, due at once; null where it is only noted on the timeline. */
  readonly onEvent: string | null
  /** For a person. */
  readonly says: string
}

const table = {
  pending: {
    actor: "decide",
    next: ["lookup", "awaiting_payment", "ordered", "completed", "refunding", "void", "review"],
    onEvent: "pending",
    says: "Waits for its turn to become an order.",
  },
  lookup: {
    actor: "carry out",
    next: ["pending", "review"],
    onEvent: "pending",
    says: "Stripe is asked how the payment stands, since its events don't say enough.",
  },
  awaiting_payment: {
    actor: "carry out",
    next: ["pending", "lookup", "void", "review"],
    onEvent: "pending",
    says: "Is not paid yet.",
  },
  ordered: {
    actor: "carry out",
    next: ["awaiting_capture", "completed", "review"],
    onEvent: "ordered",
    says: "The order and its stock are committed; the money is to be captured, or the order to be announced.",
  },
  awaiting_capture: {
    actor: "carry out",
    next: ["completed", "review"],
    onEvent: "awaiting_capture",
    says: "The order is placed; the shop captures the money when it ships, or by hand.",
  },
  completed: {
    actor: null,
    next: [],
    onEvent: null,
    says: "The order is placed and paid.",
  },
  refunding: {
    actor: "carry out",
    next: ["refunded", "canceled", "review"],
    onEvent: "refunding",
    says: "There was no stock: the money is on its way back.",
  },
  refunded: {
    actor: null,
    next: [],
    onEvent: null,
    says: "There was no stock: the captured money was refunded.",
  },
  canceled: {
    actor: null,
    next: [],
    onEvent: null,
    says: "There was no stock: the authorization was canceled, the buyer was not charged.",
  },
  void: {
    actor: null,
    next: ["pending"],
    onEvent: "pending",
    says: "Was canceled, refunded or never paid in Stripe, before there was an order.",
  },
  review: {
    actor: "person",
    next: ["lookup", "ordered"],
    onEvent: null,
    says: "Needs review: the reason says why.",
  },
} as const satisfies Record<string, StateRow>

export type PaymentState = keyof typeof table

export const states: Readonly<Record<PaymentState, StateRow>> = table

export const PAYMENT_STATES = Object.keys(table) as PaymentState[]

export function isPaymentState(name: string): name is PaymentState {
  return Object.hasOwn(table, name)
}

/** The states that `actor` moves on. */
export function statesOf(actor: Actor): PaymentState[] {
  return PAYMENT_STATES.filter((state) => states[state].actor === actor)
}

/** Nothing is due any more: the payment rests until a person or a new event moves it on. */
export function isAtRest(state: string): boolean {
  return isPaymentState(state) && (states[state].actor === null || states[state].actor === "person")
}

/** The states from which a payment may come to `state`, itself included. */
export function mayBecome(state: PaymentState): PaymentState[] {
  return PAYMENT_STATES.filter((from) => from === state || states[from].next.includes(state))
}

/** What an event makes of each state that it moves, for SQL: `{ "void": "pending", … }`. */
export const AFTER_EVENT: Readonly<Record<string, string>> = Object.fromEntries(
  PAYMENT_STATES.flatMap((state) => {
    const { onEvent } = states[state]
    return onEvent ? [[state, onEvent]] : []
  }),
)

/** Where a person's retry takes a payment in review: an order that was made stands; without one Stripe is asked anew. */
export function afterReview(hasOrder: boolean): PaymentState {
  return hasOrder ? "ordered" : "lookup"
}
