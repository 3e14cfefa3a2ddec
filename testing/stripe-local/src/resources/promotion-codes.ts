import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { badParam, refused } from "../errors.js"
import { newId, random } from "../ids.js"
import { created, page, paging } from "../pages.js"
import {
  assignGiven,
  boolean,
  currency,
  integer,
  mergeMetadata,
  metadata,
  nested,
  oneOf,
  type Params,
  positive,
  required,
  text,
} from "../params.js"
import { checkCoupon, currentCoupon } from "./coupons.js"
import { needCustomer } from "./customers.js"

type PromotionCode = Stripe.PromotionCode

const creation = {
  active: boolean,
  code: text,
  // Its place up to 2025-09-30.clover; then it became `promotion[coupon]`.
  coupon: text,
  customer: text,
  expires_at: integer,
  max_redemptions: positive,
  metadata,
  promotion: nested({ type: required(oneOf("coupon")), coupon: text }),
  restrictions: nested({
    first_time_transaction: boolean,
    minimum_amount: positive,
    minimum_amount_currency: currency,
  }),
}

function createPromotionCode(account: Account, given: Params<typeof creation>): PromotionCode {
  const coupon = given.promotion?.coupon ?? given.coupon
  if (!coupon) {
    throw badParam("Missing required param: promotion[coupon].", "promotion[coupon]", "parameter_missing")
  }
  account.store.coupons.need(coupon, "promotion[coupon]", 400)
  if (given.customer) needCustomer(account, given.customer, "customer", 400)
  const code = given.code ?? random(8).toUpperCase()
  if (activeCode(account, code)) {
    throw refused(`An active promotion code with \`code: ${code}\` already exists.`, { param: "code" })
  }
  return account.store.promotion_codes.add({
    id: newId("promo"),
    object: "promotion_code",
    active: given.active ?? true,
    code,
    created: account.now(),
    customer: given.customer ?? null,
    customer_account: null,
    expires_at: given.expires_at ?? null,
    livemode: false,
    max_redemptions: given.max_redemptions ?? null,
    metadata: mergeMetadata({}, given.metadata),
    promotion: { coupon, type: "coupon" },
    restrictions: {
      first_time_transaction: given.restrictions?.first_time_transaction ?? false,
      minimum_amount: given.restrictions?.minimum_amount ?? null,
      minimum_amount_currency: given.restrictions?.minimum_amount_currency ?? null,
    },
    times_redeemed: 0,
  })
}

/** The code as it is now: time, redemptions and its coupon's end deactivate it. */
function current(account: Account, code: PromotionCode): PromotionCode {
  const { expires_at, max_redemptions, times_redeemed } = code
  const usedUp = max_redemptions !== null && times_redeemed >= max_redemptions
  const expired = expires_at !== null && expires_at <= account.now()
  if (usedUp || expired || !couponOf(account, code)?.valid) code.active = false
  return code
}

export function couponOf(account: Account, code: PromotionCode): Stripe.Coupon | undefined {
  const coupon = account.store.coupons.get(String(code.promotion.coupon))
  return coupon && currentCoupon(account, coupon)
}

/** The active promotion code that a buyer types; upper and lower case are the same. */
export function activeCode(account: Account, typed: string): PromotionCode | undefined {
  for (const code of account.store.promotion_codes) {
    if (code.code.toLowerCase() === typed.toLowerCase() && current(account, code).active) return code
  }
  return undefined
}

export interface Purchase {
  amount: number
  currency: string
  customer: string | null
}

/** Refuses a code that this purchase may not use. */
export function checkPromotionCode(account: Account, code: PromotionCode, purchase: Purchase): void {
  const { minimum_amount, minimum_amount_currency } = code.restrictions
  if (!current(account, code).active) {
    throw refused(`This promotion code (${code.code}) is not active.`, { code: "promotion_code_inactive" })
  }
  if (code.customer && code.customer !== purchase.customer) {
    throw refused("This promotion code cannot be redeemed by this customer.")
  }
  const coupon = couponOf(account, code)
  if (coupon) checkCoupon(account, coupon, purchase.currency)
  if (minimum_amount === null) return
  if (minimum_amount_currency !== purchase.currency || purchase.amount < minimum_amount) {
    throw refused("This order does not reach the promotion code's minimum amount.")
  }
}

export function promotionCodes(api: Api, account: Account): void {
  const { promotion_codes } = account.store

  api.post("/v1/promotion_codes", creation, (given) => {
    const code = createPromotionCode(account, given)
    account.emit("promotion_code.created", code)
    return code
  })

  api.get("/v1/promotion_codes/:id", {}, (_, id) => current(account, promotion_codes.need(id)))

  const query = { ...paging, active: boolean, code: text, coupon: text, created, customer: text }
  api.get("/v1/promotion_codes", query, (query) =>
    page(
      promotion_codes,
      "/v1/promotion_codes",
      query,
      (code) =>
        query.created(code.created) &&
        (query.active === undefined || current(account, code).active === query.active) &&
        (!query.code || code.code.toLowerCase() === query.code.toLowerCase()) &&
        (!query.coupon || code.promotion.coupon === query.coupon) &&
        (!query.customer || code.customer === query.customer),
    ),
  )

  api.post("/v1/promotion_codes/:id", { active: boolean, metadata }, ({ active, metadata }, id) => {
    const code = promotion_codes.need(id)
    assignGiven(code, { active })
    code.metadata = mergeMetadata(code.metadata ?? {}, metadata)
    account.emit("promotion_code.updated", code)
    return code
  })
}
