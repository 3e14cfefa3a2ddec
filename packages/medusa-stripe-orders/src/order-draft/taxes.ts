import type {
  ITaxModuleService,
  ItemTaxLineDTO,
  MedusaContainer,
  ShippingTaxLineDTO,
} from "@medusajs/framework/types"
import { ContainerRegistrationKeys, Modules } from "@medusajs/framework/utils"
import { newId } from "../ids"
import type { OrderData } from "./order-draft"
import type { Region } from "./regions"

/** Medusa's own rates: they depend on the country and the province alone. */
const SYSTEM_PROVIDER = "tp_system"

interface Line {
  id: string
  product_id?: string
  product_type_id?: string
  quantity?: unknown
  unit_price?: unknown
  amount?: unknown
  shipping_option_id?: string
  tax_lines: object[]
}

/**
 * Adds the tax lines to orders of items. Medusa's own rates are asked once for all orders of a country and province; a
 * provider of the store's own, which may look at the whole address, once an order.
 */
export async function addTaxLines(
  container: MedusaContainer,
  orders: OrderData[],
  regions: Region[],
): Promise<void> {
  const taxed = orders.filter(({ region_id, shipping_address }) => {
    const region = regions.find(({ id }) => id === region_id)
    return (
      region?.automatic_taxes && (shipping_address as { country_code?: string } | undefined)?.country_code
    )
  })
  if (taxed.length === 0) {
    return
  }
  const own = await countriesWithOwnProvider(container)
  const groups = new Map<string, OrderData[]>()
  for (const order of taxed) {
    const { country_code = "", province } = addressOf(order)
    const key = own.has(country_code) ? order.id : `${country_code}/${province ?? ""}/${order.currency_code}`
    groups.set(key, [...(groups.get(key) ?? []), order])
  }
  await Promise.all([...groups.values()].map((group) => addToGroup(container, group)))
}

async function addToGroup(container: MedusaContainer, group: OrderData[]): Promise<void> {
  const taxes: ITaxModuleService = container.resolve(Modules.TAX)
  const [first] = group as [OrderData]
  const { country_code = "", province, postal_code } = addressOf(first)
  const address = { country_code, province_code: province, postal_code: postal_code ?? undefined }
  const lines = new Map(
    group.flatMap(({ items, shipping_methods = [] }) =>
      [...items, ...shipping_methods].map((line) => [(line as Line).id, line as Line] as const),
    ),
  )
  const taxable = [...lines.values()].map((line) => ({
    id: line.id,
    currency_code: first.currency_code,
    ...(line.shipping_option_id
      ? { shipping_option_id: line.shipping_option_id, unit_price: line.amount }
      : {
          product_id: line.product_id ?? "",
          product_type_id: line.product_type_id,
          quantity: line.quantity,
          unit_price: line.unit_price,
        }),
  }))
  for (const tax of await taxes.getTaxLines(taxable as never, { address })) {
    const id = (tax as ItemTaxLineDTO).line_item_id ?? (tax as ShippingTaxLineDTO).shipping_line_id
    const isShipping = "shipping_line_id" in tax && tax.shipping_line_id
    lines.get(id)?.tax_lines.push({
      id: newId(isShipping ? "ordsmtxl" : "ordlitxl"),
      tax_rate_id: tax.rate_id,
      code: tax.code ?? "",
      rate: tax.rate ?? 0,
      description: tax.name,
      provider_id: tax.provider_id,
    })
  }
}

async function countriesWithOwnProvider(container: MedusaContainer): Promise<Set<string>> {
  const query = container.resolve(ContainerRegistrationKeys.QUERY)
  const { data } = await query.graph({ entity: "tax_region", fields: ["country_code", "provider_id"] })
  const rows = data as unknown as { country_code: string; provider_id?: string | null }[]
  return new Set(
    rows
      .filter(({ provider_id }) => provider_id && provider_id !== SYSTEM_PROVIDER)
      .map((row) => row.country_code),
  )
}

function addressOf({ shipping_address }: OrderData) {
  return shipping_address as { country_code?: string; province?: string; postal_code?: string }
}
