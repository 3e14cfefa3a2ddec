import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { newId } from "../ids.js"
import { created, page, paging } from "../pages.js"
import {
  assignGiven,
  boolean,
  mergeMetadata,
  metadata,
  type Params,
  percentage,
  required,
  text,
} from "../params.js"

const details = {
  active: boolean,
  country: text,
  description: text,
  jurisdiction: text,
  metadata,
  state: text,
  tax_type: text,
}

const creation = {
  ...details,
  display_name: required(text),
  inclusive: required(boolean),
  percentage: required(percentage),
}

type NewTaxRate = Partial<Params<typeof creation>> &
  Pick<Params<typeof creation>, "display_name" | "inclusive" | "percentage">

export function createTaxRate(account: Account, given: NewTaxRate): Stripe.TaxRate {
  return account.store.tax_rates.add({
    id: newId("txr"),
    object: "tax_rate",
    active: given.active ?? true,
    country: given.country ?? null,
    created: account.now(),
    description: given.description ?? null,
    display_name: given.display_name,
    effective_percentage: null,
    flat_amount: null,
    inclusive: given.inclusive,
    jurisdiction: given.jurisdiction ?? null,
    jurisdiction_level: null,
    livemode: false,
    metadata: mergeMetadata({}, given.metadata),
    percentage: given.percentage,
    rate_type: "percentage",
    state: given.state ?? null,
    tax_type: given.tax_type ?? null,
  })
}

export function taxRates(api: Api, account: Account): void {
  const { tax_rates } = account.store

  api.post("/v1/tax_rates", creation, (given) => {
    const rate = createTaxRate(account, given)
    account.emit("tax_rate.created", rate)
    return rate
  })

  api.get("/v1/tax_rates/:id", {}, (_, id) => tax_rates.need(id))

  const query = { ...paging, active: boolean, created, inclusive: boolean }
  api.get("/v1/tax_rates", query, (query) =>
    page(
      tax_rates,
      "/v1/tax_rates",
      query,
      ({ active, created, inclusive }) =>
        query.created(created) &&
        (query.active === undefined || active === query.active) &&
        (query.inclusive === undefined || inclusive === query.inclusive),
    ),
  )

  const changes = { ...details, display_name: text }
  api.post("/v1/tax_rates/:id", changes, ({ metadata, ...given }, id) => {
    const rate = tax_rates.need(id)
    assignGiven(rate, given)
    rate.metadata = mergeMetadata(rate.metadata ?? {}, metadata)
    account.emit("tax_rate.updated", rate)
    return rate
  })
}
