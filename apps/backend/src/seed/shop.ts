import { ContainerRegistrationKeys, Modules } from "@medusajs/framework/utils"
import {
  createApiKeysWorkflow,
  createPricePreferencesWorkflow,
  createSalesChannelsWorkflow,
  createStockLocationsWorkflow,
  createTaxRegionsWorkflow,
  linkSalesChannelsToApiKeyWorkflow,
  linkSalesChannelsToStockLocationWorkflow,
  updateStoresWorkflow,
} from "@medusajs/medusa/core-flows"
import { regions } from "./catalog"
import type { Seeder } from "./seeder"

export function seedSalesChannel({ container, ensure }: Seeder): Promise<string> {
  const name = "Web shop"
  const input = { salesChannelsData: [{ name }] }
  return ensure("sales_channel", { name }, () => createSalesChannelsWorkflow(container).run({ input }))
}

export async function seedStore({ container }: Seeder, salesChannelId: string) {
  const currencies = regions.map(({ currency }) => ({
    currency_code: currency,
    is_default: currency === "usd",
  }))
  const update = {
    name: "Holdfast",
    supported_currencies: currencies,
    default_sales_channel_id: salesChannelId,
  }
  await updateStoresWorkflow(container).run({ input: { selector: {}, update } })
}

export async function seedPublishableKey({ container, ensure }: Seeder, salesChannelId: string) {
  const title = "Web shop"
  const key = { title, type: "publishable" as const, created_by: "" }
  const id = await ensure("api_key", { title, type: key.type }, () =>
    createApiKeysWorkflow(container).run({ input: { api_keys: [key] } }),
  )
  await linkSalesChannelsToApiKeyWorkflow(container).run({ input: { id, add: [salesChannelId] } })
}

export async function seedRegions({ container, ensure }: Seeder) {
  const link = container.resolve(ContainerRegistrationKeys.LINK)
  for (const { name, currency, countries } of regions) {
    const region = { name, currency_code: currency, countries: [...countries] }
    const region_id = await ensure("region", { name }, () =>
      container.resolve(Modules.REGION).createRegions(region),
    )
    await link.create({
      [Modules.REGION]: { region_id },
      [Modules.PAYMENT]: { payment_provider_id: "pp_stripe_stripe" },
    })
    const preference = { attribute: "region_id", value: region_id }
    await ensure("price_preference", preference, () =>
      createPricePreferencesWorkflow(container).run({ input: [preference] }),
    )
  }
}

export async function seedTaxRegions({ container, ensure }: Seeder) {
  for (const { countries, taxRate } of regions) {
    for (const country_code of countries) {
      const rate = taxRate ? { default_tax_rate: { rate: taxRate, code: "standard", name: "Standard" } } : {}
      const input = [{ country_code, provider_id: "tp_system", ...rate }]
      await ensure("tax_region", { country_code }, () => createTaxRegionsWorkflow(container).run({ input }))
    }
  }
}

export async function seedLocation({ container, ensure }: Seeder, salesChannelId: string): Promise<string> {
  const name = "Quayside warehouse"
  const address = { address_1: "1 Harbour Road", city: "Portland", country_code: "us", postal_code: "04101" }
  const input = { locations: [{ name, address }] }
  const id = await ensure("stock_location", { name }, () =>
    createStockLocationsWorkflow(container).run({ input }),
  )
  await linkSalesChannelsToStockLocationWorkflow(container).run({ input: { id, add: [salesChannelId] } })
  await container.resolve(ContainerRegistrationKeys.LINK).create({
    [Modules.STOCK_LOCATION]: { stock_location_id: id },
    [Modules.FULFILLMENT]: { fulfillment_provider_id: "manual_manual" },
  })
  return id
}
