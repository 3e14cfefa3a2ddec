import type { SharedTransaction } from "../medusa/shared-transaction"
import { buyerRefusal, type HoldOptions, type Refusal } from "./limits"
import type { Plan } from "./plan"
import { countHolds, lockBuyers } from "./rows"

/** How many carts each buyer holds, counted by one transaction at a time, and counted on while a batch is served. */
export class Buyers {
  readonly #options: HoldOptions
  readonly #counts: Map<string, number>

  private constructor(options: HoldOptions, counts: Map<string, number>) {
    this.#options = options
    this.#counts = counts
  }

  static async counted(transaction: SharedTransaction, plans: Plan[], options: HoldOptions): Promise<Buyers> {
    const customers = options.perCustomer > 0 ? plans.flatMap(({ customer_id }) => customer_id ?? []) : []
    const addresses = options.perIp > 0 ? plans.flatMap(({ ip_hash }) => ip_hash ?? []) : []
    if (customers.length + addresses.length === 0) {
      return new Buyers(options, new Map())
    }
    await lockBuyers(transaction, [...customers, ...addresses])
    return new Buyers(options, await countHolds(transaction, { customers, addresses }))
  }

  /** Counts the cart where it is not refused. */
  refusalOf({ customer_id, ip_hash }: Plan): Refusal | null {
    const count = (who: string | null | undefined) => this.#counts.get(who ?? "") ?? 0
    const refusal = buyerRefusal({ ofCustomer: count(customer_id), ofAddress: count(ip_hash) }, this.#options)
    if (!refusal) {
      for (const who of [customer_id, ip_hash]) {
        this.#counts.set(who ?? "", count(who) + 1)
      }
    }
    return refusal
  }
}
