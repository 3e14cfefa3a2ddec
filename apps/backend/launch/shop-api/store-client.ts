import type { Seeded } from "../seeded.ts"
import { request } from "./request.ts"

export type Currency = "usd" | "eur" | "jpy"

export interface Line {
  sku: string
  quantity: number
}

export interface Checkout {
  lines: Line[]
  email: string
  /** By default usd. */
  currency?: Currency
  /** The code of a promotion. */
  promotion?: string
  /** The code of a gift card of Medusa's loyalty plugin. */
  giftCard?: string
  /** By default Medusa's Stripe provider. */
  paymentProvider?: string
  /** Passed to the payment provider. */
  paymentData?: Record<string, unknown>
}

export interface PaymentSession {
  id: string
  /** The provider's own data; `id` is the payment intent of Medusa's Stripe provider. */
  data: Record<string, unknown>
}

/** Medusa answers with the cart where it can't place the order. */
export type Completion =
  | { type: "order"; order: { id: string } }
  | { type: "cart"; error: { message: string } }

/** A storefront: the shop's store API, with its publishable key. */
export class StoreClient {
  readonly #shopUrl: string
  readonly seeded: Seeded

  constructor(shopUrl: string, seeded: Seeded) {
    this.#shopUrl = shopUrl
    this.seeded = seeded
  }

  request<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers = { "x-publishable-api-key": this.seeded.publishableKey }
    return request<T>({ shopUrl: this.#shopUrl, method, path, body, headers })
  }

  /** Fills a cart up to the point where the buyer pays. */
  async checkOut(checkout: Checkout): Promise<{ cartId: string; session: PaymentSession }> {
    const cartId = await this.#createCart(checkout)
    await this.#post(`/store/carts/${cartId}/shipping-methods`, { option_id: this.seeded.shippingOptionId })
    if (checkout.giftCard) await this.#post(`/store/carts/${cartId}/gift-cards`, { code: checkout.giftCard })
    return { cartId, session: await this.#createPaymentSession(cartId, checkout) }
  }

  /** Keeps the cart's stock for it while its buyer pays. */
  async hold(cartId: string): Promise<void> {
    await this.#post(`/store/carts/${cartId}/hold`)
  }

  complete(cartId: string): Promise<Completion> {
    return this.#post(`/store/carts/${cartId}/complete`)
  }

  async #createCart({ lines, email, currency = "usd", promotion }: Checkout): Promise<string> {
    const region = this.seeded.regions[currency]
    const address = addressIn(region?.countries[0] ?? "us")
    const { cart } = await this.#post<{ cart: { id: string } }>("/store/carts", {
      region_id: region?.id,
      email,
      items: this.variants(lines),
      shipping_address: address,
      billing_address: address,
      promo_codes: promotion ? [promotion] : undefined,
    })
    return cart.id
  }

  async #createPaymentSession(cartId: string, checkout: Checkout): Promise<PaymentSession> {
    const { paymentProvider = "pp_stripe_stripe", paymentData } = checkout
    const created = await this.#post<Collection>("/store/payment-collections", { cart_id: cartId })
    const path = `/store/payment-collections/${created.payment_collection.id}/payment-sessions`
    const { payment_collection } = await this.#post<Collection>(path, {
      provider_id: paymentProvider,
      data: paymentData,
    })
    return payment_collection.payment_sessions[0] as PaymentSession
  }

  /** The lines with the ids of their variants, as the store API and a payment's metadata take them. */
  variants(lines: Line[]): { variant_id: string; quantity: number }[] {
    return lines.map(({ sku, quantity }) => {
      const variant = this.seeded.variants[sku]
      if (!variant) throw new Error(`No variant ${sku}`)
      return { variant_id: variant.id, quantity }
    })
  }

  #post<T>(path: string, body?: unknown): Promise<T> {
    return this.request<T>("POST", path, body)
  }
}

interface Collection {
  payment_collection: { id: string; payment_sessions: PaymentSession[] }
}

/** The address of every buyer. */
export function addressIn(country_code: string) {
  return {
    first_name: "Grace",
    last_name: "Hopper",
    address_1: "1 Harbour Road",
    city: "Bath",
    postal_code: "04530",
    country_code,
  }
}
