/**
 * The states of a payment: one table, from which SQL, routes, tests and pages take what they know of states.
 *
 * A payment in a state with an actor is due, or waits for the time in its `due_at`. A payment without an actor rests: a
 * person, or a new event, moves it on.
 */

import type { News } from "../events"

/** Who acts on a payment: the ordered part, the slow part, a person; null where nothing is left to do. */
export type Actor = "decide" | "carry out" | "person" | null

interface StateRow {
  readonly actor: Actor
  /** What may follow. To stay in a state is always allowed. */
  readonly next: readonly string[]
  /** Where an event takes the payment, due at once; null where it is only noted on the timeline. */
  readonly onEvent: string | null
  /** The same where it was paid: authorized or captured. As `onEvent` where left out. */
  readonly onPaid?: string
  /** The same where money moved: a refund that failed, a dispute, a cancellation. As `onEvent` where left out. */
  readonly onMoney?: string
  /** The same where a refund was made. As `onMoney` where left out. */
  readonly onRefund?: string
  /** The same where the payment intent was canceled and there is no order: nothing comes of it any more. As `onMoney` where left out. */
  readonly onCanceled?: string
  /** The same where it has an order and was paid, or money moved: the order shows it. As above where left out. */
  readonly withOrder?: string
  /** For a person. */
  readonly says: string
}

const table = {
  pending: {
    actor: "decide",
    next: [
      "lookup",
      "awaiting_payment",
      "completing",
      "ordered",
      "money_moved",
      "refunding",
      "void",
      "ignored",
      "review",
    ],
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
  completing: {
    actor: "carry out",
    next: ["pending", "refunding", "review"],
    onEvent: "completing",
    says: "The store's hooks of Medusa's cart completion have a say: Medusa completes the cart.",
  },
  ordered: {
    actor: "carry out",
    next: ["awaiting_capture", "completed", "money_moved", "refunding", "review"],
    onEvent: "ordered",
    says: "The order and its stock are committed; the money is to be captured, or the order to be announced.",
  },
  awaiting_capture: {
    actor: "carry out",
    next: ["completed", "money_moved", "refunding", "review"],
    onEvent: "awaiting_capture",
    says: "The order is placed; the shop captures the money when it ships, or by hand.",
  },
  completed: {
    actor: null,
    next: ["money_moved"],
    onEvent: null,
    onMoney: "money_moved",
    says: "The order is placed and paid.",
  },
  money_moved: {
    actor: "carry out",
    next: [
      "completed",
      "disputed",
      "pending",
      "refunding_rest",
      "refunding",
      "refunded",
      "canceled",
      "void",
      "review",
      "dismissed",
    ],
    onEvent: "money_moved",
    says: "Money moved in Stripe after the order: it is recorded on the order.",
  },
  refunding_rest: {
    actor: "carry out",
    next: ["money_moved", "refunding", "review"],
    onEvent: "refunding_rest",
    says: "The order is of what was in stock; the rest of the money is on its way back.",
  },
  disputed: {
    actor: "person",
    next: ["money_moved"],
    onEvent: null,
    onMoney: "money_moved",
    says: "The buyer disputes the payment: don't ship before the dispute is decided.",
  },
  refunding: {
    actor: "carry out",
    next: ["refunded", "canceled", "money_moved", "review"],
    onEvent: "refunding",
    says: "The money is on its way back; the reason says why.",
  },
  refunded: {
    actor: null,
    next: ["refunding"],
    onEvent: null,
    onMoney: "refunding",
    onRefund: "refunded",
    says: "The captured money was refunded; the reason says why.",
  },
  canceled: {
    actor: null,
    next: ["refunding"],
    onEvent: null,
    onPaid: "refunding",
    says: "The authorization was canceled, the buyer was not charged; the reason says why.",
  },
  void: {
    actor: null,
    next: ["pending"],
    onEvent: "pending",
    says: "Was canceled, refunded or never paid in Stripe, before there was an order.",
  },
  ignored: {
    actor: null,
    next: [],
    onEvent: null,
    says: "Not this shop's payment; the reason says why.",
  },
  review: {
    actor: "person",
    next: ["pending", "lookup", "ordered", "money_moved", "refunding"],
    onEvent: null,
    onCanceled: "pending",
    withOrder: "money_moved",
    says: "Needs review: the reason says why.",
  },
  dismissed: {
    actor: null,
    next: ["money_moved"],
    onEvent: null,
    withOrder: "money_moved",
    says: "A person decided that nothing is left to do; the reason says why.",
  },
} as const satisfies Record<string, StateRow>

const ORDERED = " with order"
const WITH_ORDER = ({ withOrder }: StateRow) => withOrder

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

/**
 * What an event makes of each state that it moves, by what it tells; for SQL: `{ progress: { void: "pending", … }, … }`. The
 * states of payments that have an order have keys of their own: `review with order`.
 */
export const AFTER_EVENT: Readonly<Record<News, Readonly<Record<string, string>>>> = {
  progress: nextStates(({ onEvent }) => onEvent),
  paid: nextStates(({ onPaid, onEvent }) => onPaid ?? onEvent, WITH_ORDER),
  refund: nextStates(({ onRefund, onMoney, onEvent }) => onRefund ?? onMoney ?? onEvent, WITH_ORDER),
  money: nextStates(({ onMoney, onEvent }) => onMoney ?? onEvent, WITH_ORDER),
  canceled: nextStates(({ onCanceled, onMoney, onEvent }) => onCanceled ?? onMoney ?? onEvent),
}

type Next = (row: StateRow) => string | null | undefined

function nextStates(next: Next, withOrder: Next = () => null): Record<string, string> {
  return Object.fromEntries(
    PAYMENT_STATES.flatMap((state) => {
      const to = next(states[state])
      const ways = [
        [state, to],
        [`${state}${ORDERED}`, withOrder(states[state]) ?? to],
      ]
      return ways.filter(([, to]) => to && to !== state)
    }),
  )
}

/** Where an event that tells `news` takes a payment; null: it stays. All are expressions of SQL; `:afterEvent` is `AFTER_EVENT`. */
export function afterEvent(news: string, { status, order_id }: { status: string; order_id: string }): string {
  return `(CAST(:afterEvent AS jsonb) -> ${news} ->> (${status} || CASE WHEN ${order_id} IS NULL THEN '' ELSE '${ORDERED}' END))`
}

/** A person's verdicts, which an event of money interrupts until the order shows it. */
export const INTERRUPTED: readonly PaymentState[] = PAYMENT_STATES.filter((state) => states[state].withOrder)

/**
 * The columns that keep the verdict, where an event takes a payment from `status` to `next`; else they become `others`.
 * Expressions of SQL; `:interrupted` is `INTERRUPTED`.
 */
export function keepVerdict(
  next: string,
  { status, reason }: { status: string; reason: string },
  others: (column: string) => string,
): string {
  const isInterrupted = `${status} = ANY(:interrupted) AND ${next} = 'money_moved'`
  const kept = (column: string, value: string) =>
    `${column} = CASE WHEN ${isInterrupted} THEN ${value} ELSE ${others(column)} END`
  return `${kept("resume_to", status)}, ${kept("resume_reason", reason)}`
}

/** What a person may take up again: what waits for one, and what a person or the plugin has put aside. */
export const RETRIED: readonly PaymentState[] = [...statesOf("person"), "dismissed", "ignored"]

/** What a person may give back, where there is no order: what needs review, or was put aside. */
export const REFUNDED: readonly PaymentState[] = ["review", "dismissed", "ignored"]

export const AFTER_REFUND: PaymentState = "refunding"

/** Where a person's dismissal takes a payment that waits for a person. */
export const AFTER_DISMISSAL: PaymentState = "dismissed"

/**
 * Where a person's retry takes a payment: without an order Stripe is asked anew; an order that was
 * made stands, and what is missing on it is done.
 */
export const AFTER_RETRY = {
  withoutOrder: "lookup",
  orderToFinish: "ordered",
  orderFinished: "money_moved",
} as const satisfies Record<string, PaymentState>
