import type { ExecArgs } from "@medusajs/framework/types"
import { seedAdmin } from "./admin"
import { seedProducts } from "./products"
import { type Seeder, seederFor } from "./seeder"
import { seedShipping } from "./shipping"
import {
  seedLocation,
  seedPublishableKey,
  seedRegions,
  seedSalesChannel,
  seedStore,
  seedTaxRegions,
} from "./shop"

/**
 * Run by `medusa exec`, and safe to repeat. Gives the admin ADMIN_EMAIL the password ADMIN_PASSWORD; with the
 * argument `shop` it seeds the shop first.
 */
export default async function seed({ container, args }: ExecArgs) {
  const seeder = seederFor(container)
  if (args.includes("shop")) await seedShop(seeder)
  const { ADMIN_EMAIL, ADMIN_PASSWORD } = process.env
  if (ADMIN_EMAIL && ADMIN_PASSWORD) await seedAdmin(seeder, ADMIN_EMAIL, ADMIN_PASSWORD)
}

async function seedShop(seeder: Seeder) {
  const salesChannelId = await seedSalesChannel(seeder)
  await seedStore(seeder, salesChannelId)
  await seedPublishableKey(seeder, salesChannelId)
  await seedRegions(seeder)
  await seedTaxRegions(seeder)
  const locationId = await seedLocation(seeder, salesChannelId)
  const shippingProfileId = await seedShipping(seeder, locationId)
  await seedProducts(seeder, { salesChannelId, shippingProfileId, locationId })
}
