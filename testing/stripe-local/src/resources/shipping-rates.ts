import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { refused } from "../errors.js"
import { newId } from "../ids.js"
import { created, page, paging } from "../pages.js"
import {
  anything,
  assignGiven,
  boolean,
  currency,
  mergeMetadata,
  metadata,
  nested,
  notNegative,
  oneOf,
  type Params,
  required,
  taxBehavior,
  text,
} from "../params.js"

const creation = {
  delivery_estimate: anything,
  display_name: required(text),
  fixed_amount: required(nested({ amount: required(notNegative), currency: required(currency) })),
  metadata,
  tax_behavior: taxBehavior,
  tax_code: text,
  type: oneOf("fixed_amount"),
}

function createShippingRate(account: Account, given: Params<typeof creation>): Stripe.ShippingRate {
  return account.store.shipping_rates.add({
    id: newId("shr"),
    object: "shipping_rate",
    active: true,
    created: account.now(),
    delivery_estimate: deliveryEstimate(given.delivery_estimate),
    display_name: given.display_name,
    fixed_amount: { ...given.fixed_amount },
    livemode: false,
    metadata: mergeMetadata({}, given.metadata),
    tax_behavior: given.tax_behavior ?? "unspecified",
    tax_code: given.tax_code ?? null,
    type: "fixed_amount",
  })
}

type Bound = { unit: string; value: string }

/** Forms have text where the object has numbers. */
function deliveryEstimate(given: unknown): Stripe.ShippingRate.DeliveryEstimate | null {
  if (!given) return null
  const { maximum, minimum } = given as { maximum?: Bound; minimum?: Bound }
  const bound = (of?: Bound) => (of ? { unit: of.unit, value: Number(of.value) } : null)
  return { maximum: bound(maximum), minimum: bound(minimum) }
}

/** A way of shipping that a checkout session offers. */
export const shippingOption = nested({ shipping_rate: text, shipping_rate_data: nested(creation) })

type GivenOption = Partial<NonNullable<ReturnType<typeof shippingOption>>>

export function shippingOptions(account: Account, given: GivenOption[], currency: string) {
  if (given.length > 5) throw refused("You may only specify up to 5 shipping options.", at())
  return given.map((option, index) => {
    const rate = rateOf(account, option, index)
    if (rate.fixed_amount?.currency !== currency) {
      throw refused(`The shipping rate's currency must be that of the line items (${currency}).`, at(index))
    }
    return { shipping_amount: rate.fixed_amount.amount, shipping_rate: rate.id }
  })
}

function rateOf(account: Account, option: GivenOption, index: number): Stripe.ShippingRate {
  const { shipping_rate, shipping_rate_data } = option
  if (Boolean(shipping_rate) === Boolean(shipping_rate_data)) {
    throw refused("You must specify either `shipping_rate` or `shipping_rate_data`.", at(index))
  }
  if (shipping_rate_data) return createShippingRate(account, shipping_rate_data)
  const rate = account.store.shipping_rates.need(String(shipping_rate), at(index).param, 400)
  if (!rate.active) throw refused("The shipping rate specified is not active.", at(index))
  return rate
}

function at(index?: number): { param: string } {
  return { param: index === undefined ? "shipping_options" : `shipping_options[${index}][shipping_rate]` }
}

export function shippingRates(api: Api, account: Account): void {
  const { shipping_rates } = account.store

  api.post("/v1/shipping_rates", creation, (given) => createShippingRate(account, given))

  api.get("/v1/shipping_rates/:id", {}, (_, id) => shipping_rates.need(id))

  const query = { ...paging, active: boolean, created, currency }
  api.get("/v1/shipping_rates", query, (query) =>
    page(
      shipping_rates,
      "/v1/shipping_rates",
      query,
      ({ active, created, fixed_amount }) =>
        query.created(created) &&
        (query.active === undefined || active === query.active) &&
        (!query.currency || fixed_amount?.currency === query.currency),
    ),
  )

  const changes = { active: boolean, metadata, tax_behavior: taxBehavior }
  api.post("/v1/shipping_rates/:id", changes, ({ metadata, ...given }, id) => {
    const rate = shipping_rates.need(id)
    assignGiven(rate, given)
    rate.metadata = mergeMetadata(rate.metadata, metadata)
    return rate
  })
}
