import { OUT_OF_STOCK } from "../payments/reasons"
import type { PaymentState } from "../payments/states"

/** What the store's event bus is told where a payment comes to a state. */
interface Told {
  /** where the reason is that the order was not in stock */
  sold_out?: string
  otherwise?: string
}

/** A state that is left out here is an error of the types; `{}` is for one that is only on the way to another. */
const TOLD: Readonly<Record<PaymentState, Told>> = {
  pending: {},
  lookup: {},
  awaiting_payment: {},
  completing: {},
  ordered: { otherwise: "ordered" },
  awaiting_capture: {},
  completed: { otherwise: "completed" },
  money_moved: {},
  refunding_rest: {},
  disputed: { otherwise: "disputed" },
  refunding: { sold_out: "sold_out" },
  refunded: { sold_out: "refunded", otherwise: "refunded" },
  canceled: { sold_out: "canceled", otherwise: "canceled" },
  void: {},
  ignored: {},
  review: { otherwise: "review" },
  dismissed: {},
}

/** The events' names on the bus begin so. */
export const EVENT_PREFIX = "stripe_payment."

/** The names of all events. */
export const BUS_EVENTS: readonly string[] = [
  ...new Set(Object.values(TOLD).flatMap(({ sold_out, otherwise }) => [sold_out, otherwise])),
].flatMap((name) => (name ? [`${EVENT_PREFIX}${name}`] : []))

/**
 * What the bus is told of an outcome, for SQL, as the name and the reason together: the same twice in a row is told once. A
 * refund that is recorded on a finished order leaves it completed, for instance.
 *
 * @param state an expression, like `reason`
 */
export function toldOf(state: string, reason: string): string {
  return `CAST(:told AS jsonb) -> (${state}) ->> CASE WHEN starts_with(${reason}, :outOfStock) THEN 'sold_out' ELSE 'otherwise' END
           || COALESCE(': ' || ${reason}, '')`
}

export const TOLD_VALUES = { told: JSON.stringify(TOLD), outOfStock: OUT_OF_STOCK }
