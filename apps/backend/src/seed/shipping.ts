import { ContainerRegistrationKeys, Modules } from "@medusajs/framework/utils"
import {
  createServiceZonesWorkflow,
  createShippingOptionsWorkflow,
  createShippingProfilesWorkflow,
} from "@medusajs/medusa/core-flows"
import { regions, shipping } from "./catalog"
import type { Seeder } from "./seeder"

/** Returns the id of the shipping profile, which every product needs. */
export async function seedShipping(seeder: Seeder, locationId: string): Promise<string> {
  const shippingProfileId = await seedProfile(seeder)
  const serviceZoneId = await seedServiceZone(seeder, locationId)
  const option = shippingOption(serviceZoneId, shippingProfileId)
  const { container } = seeder
  await seeder.ensureWhole(
    "shipping_option",
    { name: shipping.name },
    {
      create: () => createShippingOptionsWorkflow(container).run({ input: [option] }),
      fields: ["prices.id"],
      isWhole: (found: { prices?: unknown[] }) => found.prices?.length,
      remove: ({ id }: { id: string }) => container.resolve(Modules.FULFILLMENT).deleteShippingOptions(id),
    },
  )
  return shippingProfileId
}

function shippingOption(service_zone_id: string, shipping_profile_id: string) {
  return {
    name: shipping.name,
    price_type: "flat" as const,
    provider_id: "manual_manual",
    service_zone_id,
    shipping_profile_id,
    type: { label: "Standard", description: "In 2 or 3 days.", code: "standard" },
    prices: Object.entries(shipping.price).map(([currency_code, amount]) => ({ currency_code, amount })),
    rules: [
      { attribute: "enabled_in_store", value: "true", operator: "eq" as const },
      { attribute: "is_return", value: "false", operator: "eq" as const },
    ],
  }
}

function seedProfile({ container, ensure }: Seeder): Promise<string> {
  const type = "default"
  const input = { data: [{ name: "Default", type }] }
  return ensure("shipping_profile", { type }, () => createShippingProfilesWorkflow(container).run({ input }))
}

async function seedServiceZone({ container, ensure }: Seeder, location_id: string): Promise<string> {
  const set = { name: "Quayside shipping", type: "shipping" }
  const fulfillment_set_id = await ensure("fulfillment_set", { name: set.name }, () =>
    container.resolve(Modules.FULFILLMENT).createFulfillmentSets(set),
  )
  await container.resolve(ContainerRegistrationKeys.LINK).create({
    [Modules.STOCK_LOCATION]: { stock_location_id: location_id },
    [Modules.FULFILLMENT]: { fulfillment_set_id },
  })
  const name = "Where we ship"
  const countries = regions.flatMap((region) => [...region.countries])
  const geo_zones = countries.map((country_code) => ({ type: "country" as const, country_code }))
  const input = { data: [{ name, fulfillment_set_id, geo_zones }] }
  return ensure("service_zone", { name }, () => createServiceZonesWorkflow(container).run({ input }))
}
