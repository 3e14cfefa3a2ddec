import type { ExecArgs } from "@medusajs/framework/types"
import { seedAdmin } from "./admin"
import { seedProducts } from "./products"
import { seederFor } from "./seeder"
import { seedShipping } from "./shipping"
import {
  seedLocation,
  seedPublishableKey,
  seedRegions,
  seedSalesChannel,
  seedStore,
  seedTaxRegions,
} from "./shop"

/** Run by `medusa exec`; may be run again at any time. Reads ADMIN_EMAIL and ADMIN_PASSWORD. */
export default async function seed({ container }: ExecArgs) {
  const seeder = seederFor(container)
  const salesChannelId = await seedSalesChannel(seeder)
  await seedStore(seeder, salesChannelId)
  await seedPublishableKey(seeder, salesChannelId)
  await seedRegions(seeder)
  await seedTaxRegions(seeder)
  const locationId = await seedLocation(seeder, salesChannelId)
  const shippingProfileId = await seedShipping(seeder, locationId)
  await seedProducts(seeder, { salesChannelId, shippingProfileId, locationId })
  const { ADMIN_EMAIL, ADMIN_PASSWORD } = process.env
  if (ADMIN_EMAIL && ADMIN_PASSWORD) await seedAdmin(seeder, ADMIN_EMAIL, ADMIN_PASSWORD)
}
