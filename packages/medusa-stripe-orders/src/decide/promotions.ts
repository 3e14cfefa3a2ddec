import type { BigNumberInput } from "@medusajs/framework/types"
import { MathBN } from "@medusajs/framework/utils"
import { type CampaignBudget, lockPromotions, type PromotionLimits, type Use } from "../medusa/promotions"
import type { SharedTransaction } from "../medusa/shared-transaction"
import type { OrderDraft } from "../order-draft/order-draft"
import { unique } from "../order-draft/shop"
import type { Outcome } from "../payments/payments"
import type { Batch } from "./batch"

/**
 * Who gets the last use of a promotion: first come, first served, as with the stock. Several carts may have its code before
 * any is paid, and a use is counted when an order is made.
 */

type Discounted = Pick<OrderDraft, "order" | "promotion_usage" | "cart_id">

/** One of the sums that an order's discounts raise. */
interface Counter extends Use {
  code: string
  limit: BigNumberInput | null
  /** by how much the order raises it */
  by: BigNumberInput
  /** for a person: what is limited */
  what: string
}

/** Uses of limited promotions, counted on from what is committed. */
export class PromotionUses {
  readonly #limits: PromotionLimits
  readonly #counted = new Map<string, Use>()

  constructor(limits: PromotionLimits) {
    this.#limits = limits
  }

  /** Why the order can't be made with its discounts; null where it can. */
  refuses(draft: Discounted): string | null {
    for (const { code, limit, by, what, ...use } of countersOf(draft, this.#limits).values()) {
      const used = this.#usedOf(use)
      if (limit !== null && MathBN.gt(MathBN.add(used, by), limit)) {
        return `promotion ${code} of cart ${draft.cart_id} is used up (${what}: ${used} of ${limit}): raise the limit and retry, or refund the payment`
      }
    }
    return null
  }

  count(draft: Discounted): void {
    for (const [key, { of, id, buyer, used, by }] of countersOf(draft, this.#limits)) {
      const use = { of, id, buyer, used }
      this.#counted.set(key, { ...use, used: MathBN.add(this.#usedOf(use), by) })
    }
  }

  /** What was counted, to be written. */
  get counted(): Use[] {
    return [...this.#counted.values()]
  }

  #usedOf(use: Use): BigNumberInput {
    return this.#counted.get(keyOf(use))?.used ?? use.used
  }
}

function keyOf({ of, id, buyer }: Pick<Use, "of" | "id" | "buyer">): string {
  return `${of} ${id} ${buyer ?? ""}`
}

/** As Medusa counts: a promotion and a budget of uses once an order, a budget of money by each discount. */
function countersOf(draft: Discounted, { promotions, budgets }: PromotionLimits): Map<string, Counter> {
  const counters = new Map<string, Counter>()
  for (const code of unique(draft.promotion_usage.map((use) => use.code))) {
    const promotion = promotions.get(code)
    const budget = budgets.get(promotion?.budget_id ?? "")
    const own = promotion && promotion.limit !== null ? [{ ...promotion, of: "promotion" as const }] : []
    for (const counter of [
      ...own.map((one) => ({ ...one, by: 1, what: "orders" })),
      ...(budget ? countersOfBudget(draft, code, budget) : []),
    ]) {
      const key = keyOf(counter)
      const earlier = budget?.type === "spend" ? counters.get(key) : undefined
      counters.set(key, { ...counter, code, by: MathBN.add(counter.by, earlier?.by ?? 0) })
    }
  }
  return counters
}

function countersOfBudget(
  { order, promotion_usage }: Discounted,
  code: string,
  { id, type, attribute, limit: given, used, usages }: CampaignBudget,
): Omit<Counter, "code">[] {
  // To Medusa a budget of 0 is one without limit.
  const limit = given !== null && MathBN.gt(given, 0) ? given : null
  const budget = { of: "budget" as const, id, limit, used }
  if (type === "spend") {
    const own = promotion_usage.filter((use) => use.code === code)
    const by = own.reduce<BigNumberInput>((sum, { amount }) => MathBN.add(sum, amount), 0)
    return [{ ...budget, by, what: "money spent by its campaign" }]
  }
  if (type === "usage") {
    return [{ ...budget, by: 1, what: "orders of its campaign" }]
  }
  const buyer = type === "use_by_attribute" ? buyerOf(order, attribute) : undefined
  if (!buyer) {
    return []
  }
  const share = { of: "buyer" as const, id, buyer, limit, used: usages.get(buyer) ?? 0 }
  // Medusa counts all uses too, and compares them with nothing.
  return [
    { ...share, by: 1, what: `orders of its campaign with this ${attribute}` },
    { ...budget, limit: null, by: 1, what: "" },
  ]
}

function buyerOf({ customer_id, email }: Discounted["order"], attribute: string | null): string | undefined {
  const buyer: Record<string, string | null | undefined> = { customer_id, customer_email: email }
  return buyer[attribute ?? ""] ?? undefined
}

/**
 * Admits the drafts whose promotions have a use left, with the promotions' rows locked until the transaction ends. One for
 * which only an earlier draft of the same transaction leaves none is decided again when that one's outcome is committed:
 * where it finds no stock, its use is the next one's.
 */
export async function admitByPromotions(transaction: SharedTransaction, batch: Batch, drafts: OrderDraft[]) {
  const limits = await lockPromotions(
    transaction,
    unique(drafts.flatMap(({ promotion_usage }) => promotion_usage.map(({ code }) => code))),
    unique(drafts.flatMap(({ order }) => [order.customer_id ?? [], order.email ?? []].flat())),
  )
  const committed = new PromotionUses(limits)
  const expected = new PromotionUses(limits)
  const outcomes: Outcome[] = []
  const admitted = drafts.filter((draft) => {
    const reason = committed.refuses(draft)
    if (reason) {
      outcomes.push(usedUp(batch, draft, reason))
    } else if (expected.refuses(draft)) {
      outcomes.push(batch.waitForUse(draft.payment.id))
    } else {
      expected.count(draft)
      return true
    }
    return false
  })
  return { admitted, outcomes, uses: committed }
}

function usedUp(batch: Batch, { payment }: OrderDraft, reason: string): Outcome {
  const line = { kind: "decision" as const, text: `Needs review: ${reason}` }
  return batch.outcome(payment.id, "review", line, { reason })
}
