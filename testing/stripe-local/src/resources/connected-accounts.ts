import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { newId } from "../ids.js"
import { created, page, paging } from "../pages.js"
import { mergeMetadata, metadata, oneOf, text } from "../params.js"

export interface NewConnectedAccount {
  /** `acct_…`; a new one unless given. */
  id?: string
  type?: "custom" | "express" | "standard"
  country?: string
  email?: string | null
  metadata?: Stripe.Metadata
}

/** A connected account that may take payments at once; nothing is asked of its owner. */
export function connectedAccount(now: number, given: NewConnectedAccount): Stripe.Account {
  const { id = newId("acct"), type = "express", country = "US", email = null, metadata = {} } = given
  return {
    id,
    object: "account",
    business_type: null,
    capabilities: { card_payments: "active", transfers: "active" },
    charges_enabled: true,
    country,
    created: now,
    default_currency: "usd",
    details_submitted: true,
    email,
    metadata,
    payouts_enabled: true,
    type,
  }
}

export function connectedAccounts(api: Api, account: Account): void {
  const { accounts } = account.store

  const creation = {
    type: oneOf("custom", "express", "standard"),
    country: text,
    email: text,
    metadata,
  }
  api.post("/v1/accounts", creation, ({ type, country, email, metadata }) => {
    const given = { type, country: country ?? undefined, email, metadata: mergeMetadata({}, metadata) }
    const { connection } = account.needConnected().create(given)
    return accounts.need(connection?.id ?? "")
  })

  api.get("/v1/accounts/:id", {}, (_, id) => accounts.need(id))

  api.get("/v1/accounts", { ...paging, created }, (query) =>
    page(accounts, "/v1/accounts", query, (of) => query.created(of.created ?? 0)),
  )
}
