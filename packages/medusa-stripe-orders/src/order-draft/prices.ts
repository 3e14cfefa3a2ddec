import type { IPricingModuleService, MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys, Modules, QueryContext } from "@medusajs/framework/utils"
import type { Buyer } from "../medusa/customers"
import type { Query } from "./order-draft"
import type { Region } from "./regions"
import type { ItemsPayment } from "./shop"

/** A price as Medusa calculates it. Major units. */
export interface Price {
  calculated_amount: number | null
  is_calculated_price_tax_inclusive: boolean
}

export interface ShippingOption {
  id: string
  name: string
  calculated_price?: Price
}

/** Who buys where: what Medusa's prices depend on, beside the quantity. */
interface Context {
  region_id: string
  currency_code: string
  sales_channel_id?: string
  customer_id?: string
  customer?: { id: string; groups: { id: string }[] }
}

/**
 * The prices that carts of these payments would have: by region, currency, customer groups, price lists and quantity. Asked
 * once for all payments of the same context, and once for each quantity.
 */
export class Prices {
  readonly #contexts = new Map<string, string>()
  readonly #prices = new Map<string, Price>()
  readonly #options = new Map<string, ShippingOption>()

  static async read(
    container: MedusaContainer,
    payments: {
      payment: ItemsPayment
      region: Region
      channel: string | undefined
      buyer: Buyer | undefined
    }[],
  ): Promise<Prices> {
    const prices = new Prices()
    const groups = new Map<string, { context: Context; members: ItemsPayment[] }>()
    for (const { payment, region, channel, buyer } of payments) {
      const context = contextOf(region, channel, buyer)
      const key = JSON.stringify(context)
      const group = groups.get(key) ?? { context, members: [] }
      group.members.push(payment)
      groups.set(key, group)
      prices.#contexts.set(payment.id, key)
    }
    const query = container.resolve(ContainerRegistrationKeys.QUERY)
    const variants = payments.flatMap(({ payment }) =>
      payment.source.items.map(({ variant_id }) => variant_id),
    )
    const sets = await loadPriceSets(query, [...new Set(variants)])
    await Promise.all(
      [...groups].map(async ([key, { context, members }]) => {
        await prices.#readVariants(container, { key, context, members, sets })
        await prices.#readOptions(query, key, context, members)
      }),
    )
    return prices
  }

  of({ id }: { id: string }, variant_id: string, quantity: number): Price | undefined {
    return this.#prices.get(`${this.#contexts.get(id)} ${variant_id} ${quantity}`)
  }

  shippingOption({ id }: { id: string }, optionId: string): ShippingOption | undefined {
    return this.#options.get(`${this.#contexts.get(id)} ${optionId}`)
  }

  async #readVariants(
    container: MedusaContainer,
    {
      key,
      context,
      members,
      sets,
    }: { key: string; context: Context; members: ItemsPayment[]; sets: Map<string, string> },
  ): Promise<void> {
    const pricing: IPricingModuleService = container.resolve(Modules.PRICING)
    const byQuantity = new Map<number, Set<string>>()
    for (const { variant_id, quantity } of members.flatMap(({ source }) => source.items)) {
      byQuantity.set(quantity, (byQuantity.get(quantity) ?? new Set()).add(variant_id))
    }
    const reads = [...byQuantity].map(async ([quantity, variants]) => {
      const ids = [...variants].flatMap((variant) => sets.get(variant) ?? [])
      const calculated = await pricing.calculatePrices(
        { id: ids },
        { context: { ...context, quantity } as never },
      )
      const bySet = new Map(calculated.map((price) => [price.id, price as unknown as Price]))
      for (const variant of variants) {
        const price = bySet.get(sets.get(variant) ?? "")
        if (price) {
          this.#prices.set(`${key} ${variant} ${quantity}`, price)
        }
      }
    })
    await Promise.all(reads)
  }

  async #readOptions(query: Query, key: string, context: Context, members: ItemsPayment[]): Promise<void> {
    const ids = [...new Set(members.flatMap(({ source }) => source.details.shipping_option_id ?? []))]
    if (ids.length === 0) {
      return
    }
    const { data } = await query.graph({
      entity: "shipping_option",
      fields: ["id", "name", "calculated_price.*"],
      filters: { id: ids },
      context: { calculated_price: QueryContext({ ...context }) },
    })
    for (const option of data as unknown as ShippingOption[]) {
      this.#options.set(`${key} ${option.id}`, option)
    }
  }
}

function contextOf(
  { id, currency_code }: Region,
  sales_channel_id: string | undefined,
  buyer: Buyer | undefined,
): Context {
  const place = { region_id: id, currency_code, sales_channel_id }
  if (!buyer?.groups.length) {
    return place
  }
  const groups = buyer.groups.map((group) => ({ id: group }))
  return { ...place, customer_id: buyer.id, customer: { id: buyer.id, groups } }
}

async function loadPriceSets(query: Query, ids: string[]): Promise<Map<string, string>> {
  if (ids.length === 0) {
    return new Map()
  }
  const { data } = await query.graph({
    entity: "variant",
    fields: ["id", "price_set.id"],
    filters: { id: ids },
  })
  const rows = data as unknown as { id: string; price_set?: { id: string } }[]
  return new Map(rows.flatMap(({ id, price_set }) => (price_set ? [[id, price_set.id] as const] : [])))
}
