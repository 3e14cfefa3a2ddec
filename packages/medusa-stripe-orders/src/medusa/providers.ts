import type { MedusaContainer } from "@medusajs/framework/types"
import { Modules } from "@medusajs/framework/utils"

/** What is wrong with this payment provider, or null where the shop has it. */
export async function faultOfProvider(container: MedusaContainer, id: string): Promise<string | null> {
  const providers = await container.resolve(Modules.PAYMENT).listPaymentProviders({ is_enabled: true })
  const known = providers.map((provider) => provider.id).sort()
  return known.includes(id)
    ? null
    : `the option paymentProvider is ${id}, which this shop does not have; it has ${known.join(", ") || "none"}`
}
