import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { badParam, refused } from "../errors.js"
import { random } from "../ids.js"
import { created, page, paging } from "../pages.js"
import {
  currency,
  integer,
  mergeMetadata,
  metadata,
  oneOf,
  type Params,
  percentage,
  positive,
  text,
} from "../params.js"

const creation = {
  amount_off: positive,
  currency,
  duration: oneOf("forever", "once", "repeating"),
  duration_in_months: positive,
  id: text,
  max_redemptions: positive,
  metadata,
  name: text,
  percent_off: percentage,
  redeem_by: integer,
}

function createCoupon(account: Account, given: Params<typeof creation>): Stripe.Coupon {
  const { amount_off = null, percent_off = null } = given
  if ((amount_off === null) === (percent_off === null)) {
    throw badParam("You must pass either `percent_off` or `amount_off`.", "percent_off")
  }
  if (amount_off !== null && !given.currency) {
    throw badParam("You must pass currency when passing amount_off", "currency")
  }
  if (given.id && account.store.coupons.get(given.id)) {
    throw refused("Coupon already exists.", { code: "resource_already_exists" })
  }
  return account.store.coupons.add({
    id: given.id ?? random(8),
    object: "coupon",
    amount_off,
    created: account.now(),
    currency: amount_off === null ? null : (given.currency ?? null),
    duration: given.duration ?? "once",
    duration_in_months: given.duration_in_months ?? null,
    livemode: false,
    max_redemptions: given.max_redemptions ?? null,
    metadata: mergeMetadata({}, given.metadata),
    name: given.name ?? null,
    percent_off,
    redeem_by: given.redeem_by ?? null,
    times_redeemed: 0,
    valid: true,
  })
}

/** The coupon as it is now: time and redemptions end its validity. */
export function currentCoupon(account: Account, coupon: Stripe.Coupon): Stripe.Coupon {
  const { max_redemptions, redeem_by, times_redeemed } = coupon
  const usedUp = max_redemptions !== null && times_redeemed >= max_redemptions
  if (usedUp || (redeem_by !== null && redeem_by <= account.now())) coupon.valid = false
  return coupon
}

/** Refuses a coupon that is used up, has expired, or takes off another currency. */
export function checkCoupon(account: Account, coupon: Stripe.Coupon, currency: string): void {
  if (!currentCoupon(account, coupon).valid) {
    throw refused(`Coupon ${coupon.id} is used up or has expired.`, { code: "coupon_expired" })
  }
  if (coupon.currency && coupon.currency !== currency) {
    throw refused(`The coupon's currency (${coupon.currency}) is not that of the line items (${currency}).`)
  }
}

export function coupons(api: Api, account: Account): void {
  const { coupons } = account.store

  api.post("/v1/coupons", creation, (given) => {
    const coupon = createCoupon(account, given)
    account.emit("coupon.created", coupon)
    return coupon
  })

  api.get("/v1/coupons/:id", {}, (_, id) => currentCoupon(account, coupons.need(id)))

  api.get("/v1/coupons", { ...paging, created }, (query) =>
    page(coupons, "/v1/coupons", query, (coupon) => query.created(currentCoupon(account, coupon).created)),
  )

  api.post("/v1/coupons/:id", { metadata, name: text }, ({ metadata, name }, id) => {
    const coupon = coupons.need(id)
    coupon.metadata = mergeMetadata(coupon.metadata ?? {}, metadata)
    if (name !== undefined) coupon.name = name
    account.emit("coupon.updated", coupon)
    return coupon
  })

  api.delete("/v1/coupons/:id", {}, (_, id) => {
    const coupon = coupons.need(id)
    coupons.delete(id)
    account.emit("coupon.deleted", coupon)
    return { id, object: "coupon", deleted: true }
  })
}
