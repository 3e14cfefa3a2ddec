import type { CreateOrderAddressDTO } from "@medusajs/framework/types"
import type Stripe from "stripe"
import { provinceOf } from "./provinces"

/** An address of Stripe's as Medusa's orders have it. */
export function addressOf(
  address: Stripe.Address,
  name?: string | null,
  phone?: string | null,
): CreateOrderAddressDTO {
  const [first_name, ...rest] = (name ?? "").trim().split(/\s+/)
  const country_code = address.country?.toLowerCase()
  return {
    first_name: first_name || undefined,
    last_name: rest.join(" ") || undefined,
    phone: phone ?? undefined,
    address_1: address.line1 ?? undefined,
    address_2: address.line2 ?? undefined,
    city: address.city ?? undefined,
    province: provinceOf(country_code, address.state),
    postal_code: address.postal_code ?? undefined,
    country_code,
  }
}
