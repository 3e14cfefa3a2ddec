import type Stripe from "stripe"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type StripeLocal, startStripeLocal } from "../src/index.js"

// The fields that Stripe's own sample objects have (github.com/stripe/openapi, fixtures3.json). A charge's `refunds`
// are not among them: since 2022-11-15 they come only when they are expanded.
const FIELDS = {
  payment_intent: `
    amount amount_capturable amount_details amount_received application application_fee_amount
    automatic_payment_methods canceled_at cancellation_reason capture_method client_secret
    confirmation_method created currency customer customer_account description
    excluded_payment_method_types id last_payment_error latest_charge livemode managed_payments metadata
    next_action object on_behalf_of payment_method payment_method_configuration_details
    payment_method_options payment_method_types processing receipt_email review setup_future_usage
    shipping source statement_descriptor statement_descriptor_suffix status transfer_data transfer_group`,
  charge: `
    amount amount_captured amount_refunded application application_fee application_fee_amount
    balance_transaction billing_details calculated_statement_descriptor captured created currency
    customer description disputed failure_balance_transaction failure_code failure_message fraud_details
    id livemode metadata object on_behalf_of outcome paid payment_intent payment_method
    payment_method_details receipt_email receipt_number receipt_url refunded review shipping source
    source_transfer statement_descriptor statement_descriptor_suffix status transfer_data transfer_group`,
  card: `
    amount_authorized authorization_code brand checks country exp_month exp_year extended_authorization
    fingerprint funding incremental_authorization installments last4 mandate multicapture network
    network_token network_transaction_id overcapture regulated_status three_d_secure transaction_link_id
    wallet`,
  outcome: `
    advice_code network_advice_code network_decline_code network_status reason seller_message type`,
  refund: `
    amount balance_transaction charge created currency customer customer_account destination_details id
    metadata object payment_intent payment_method reason receipt_number source_transfer_reversal status
    transfer_reversal`,
  dispute: `
    amount balance_transactions charge created currency enhanced_eligibility_types evidence
    evidence_details id is_charge_refundable livemode metadata object payment_intent
    payment_method_details reason status`,
  transfer: `
    amount amount_reversed balance_transaction created currency description destination
    destination_payment id livemode metadata object reversals reversed source_transaction source_type
    transfer_group`,
  application_fee: `
    account amount amount_refunded application balance_transaction charge created currency fee_source id
    livemode object originating_transaction refunded refunds`,
  evidence: `
    access_activity_log billing_address cancellation_policy cancellation_policy_disclosure
    cancellation_rebuttal customer_communication customer_email_address customer_name
    customer_purchase_ip customer_signature duplicate_charge_documentation duplicate_charge_explanation
    duplicate_charge_id product_description receipt refund_policy refund_policy_disclosure
    refund_refusal_explanation service_date service_documentation shipping_address shipping_carrier
    shipping_date shipping_documentation shipping_tracking_number uncategorized_file uncategorized_text
    enhanced_evidence`,
  event: `
    api_version created data id livemode object pending_webhooks request type`,
  setup_intent: `
    application automatic_payment_methods cancellation_reason client_secret created customer description
    excluded_payment_method_types flow_directions id last_setup_error latest_attempt livemode mandate
    metadata next_action object on_behalf_of payment_method payment_method_configuration_details
    payment_method_options payment_method_types single_use_mandate status usage`,
  customer: `
    address balance created currency default_source delinquent description discount email id
    invoice_prefix invoice_settings livemode metadata name next_invoice_sequence object phone
    preferred_locales shipping tax_exempt test_clock`,
  payment_method: `
    allow_redisplay billing_details card created customer customer_account id livemode metadata object
    type`,
  checkout_session: `
    adaptive_pricing after_expiration allow_promotion_codes amount_subtotal amount_total
    automatic_tax billing_address_collection cancel_url client_reference_id client_secret
    collected_information consent consent_collection created currency currency_conversion
    custom_fields custom_text customer customer_account customer_creation customer_details
    customer_email discounts expires_at id integration_identifier invoice invoice_creation livemode
    locale managed_payments metadata mode object origin_context payment_intent payment_link
    payment_method_collection payment_method_configuration_details payment_method_options
    payment_method_types payment_status permissions phone_number_collection recovered_from
    saved_payment_method_options setup_intent shipping_address_collection shipping_cost
    shipping_options status submit_type subscription success_url total_details ui_mode url
    wallet_options`,
  line_item: `
    adjustable_quantity amount_discount amount_subtotal amount_tax amount_total currency description
    id metadata object price quantity`,
  product: `
    active created default_price description id images livemode marketing_features metadata name
    object package_dimensions shippable statement_descriptor tax_code type unit_label updated url`,
  price: `
    active billing_scheme created currency custom_unit_amount id livemode lookup_key metadata
    nickname object product recurring tax_behavior tiers_mode transform_quantity type unit_amount
    unit_amount_decimal`,
  coupon: `
    amount_off created currency duration duration_in_months id livemode max_redemptions metadata
    name object percent_off redeem_by times_redeemed valid`,
  promotion_code: `
    active code created customer customer_account expires_at id livemode max_redemptions metadata
    object promotion restrictions times_redeemed`,
  tax_rate: `
    active country created description display_name effective_percentage flat_amount id inclusive
    jurisdiction jurisdiction_level livemode metadata object percentage rate_type state tax_type`,
  shipping_rate: `
    active created delivery_estimate display_name fixed_amount id livemode metadata object
    tax_behavior tax_code type`,
  payment_link: `
    active after_completion allow_promotion_codes application application_fee_amount
    application_fee_percent automatic_tax billing_address_collection consent_collection currency
    custom_fields custom_text customer_creation id inactive_message invoice_creation livemode
    managed_payments metadata object on_behalf_of payment_intent_data payment_method_collection
    payment_method_options payment_method_types phone_number_collection restrictions
    shipping_address_collection shipping_options submit_type subscription_data tax_id_collection
    transfer_data url`,
}

let local: StripeLocal
let stripe: Stripe
let intent: Stripe.PaymentIntent

beforeEach(async () => {
  local = await startStripeLocal()
  stripe = local.client()
  intent = await stripe.paymentIntents.create({
    amount: 2000,
    currency: "usd",
    payment_method: "pm_card_visa",
    confirm: true,
    expand: ["latest_charge", "payment_method"],
  })
})
afterEach(() => local.close())

const hat = {
  price_data: { currency: "usd", unit_amount: 900, product_data: { name: "hat" } },
  quantity: 1,
}

/** Fields of Stripe's that an object lacks. */
function lacking(kind: keyof typeof FIELDS, object: object | null | undefined): string[] {
  return FIELDS[kind]
    .trim()
    .split(/\s+/)
    .filter((field) => !(field in (object ?? {})))
}

describe("objects have all fields of Stripe's", () => {
  it("payment intent, payment method and charge", () => {
    const charge = intent.latest_charge as Stripe.Charge
    expect(lacking("payment_intent", intent)).toEqual([])
    expect(lacking("payment_method", intent.payment_method as Stripe.PaymentMethod)).toEqual([])
    expect(lacking("charge", charge)).toEqual([])
    expect(lacking("card", charge.payment_method_details?.card)).toEqual([])
    expect(lacking("outcome", charge.outcome)).toEqual([])
  })

  it("refund", async () => {
    const refund = await stripe.refunds.create({ payment_intent: intent.id })
    expect(lacking("refund", refund)).toEqual([])
    expect(refund.destination_details?.card?.type).toBe("refund")
  })

  it("dispute", () => {
    const dispute = local.buyer.dispute(intent.id)
    expect(lacking("dispute", dispute)).toEqual([])
    expect(lacking("evidence", dispute.evidence)).toEqual([])
    expect(dispute.payment_method_details?.card?.brand).toBe("visa")
  })

  it("payment by debit", async () => {
    const { id } = await stripe.paymentIntents.create({
      amount: 2000,
      currency: "eur",
      payment_method: "pm_success_de",
      confirm: true,
    })
    const { latest_charge, ...debit } = local.bank.settlePayment(id)
    expect(lacking("payment_intent", { ...debit, latest_charge })).toEqual([])
    expect(lacking("charge", await stripe.charges.retrieve(String(latest_charge)))).toEqual([])
  })

  it("transfer and application fee", async () => {
    const { id: destination } = local.connectAccount()
    await stripe.paymentIntents.create({
      amount: 2000,
      currency: "usd",
      payment_method: "pm_card_visa",
      confirm: true,
      application_fee_amount: 100,
      transfer_data: { destination },
    })
    expect(lacking("transfer", (await stripe.transfers.list()).data[0])).toEqual([])
    expect(lacking("application_fee", (await stripe.applicationFees.list()).data[0])).toEqual([])
  })

  it("customer and setup intent", async () => {
    expect(lacking("customer", await stripe.customers.create())).toEqual([])
    expect(lacking("setup_intent", await stripe.setupIntents.create())).toEqual([])
  })

  it("checkout session and its lines", async () => {
    const { id } = await stripe.checkout.sessions.create({
      mode: "payment",
      line_items: [hat],
      success_url: "https://shop.example/thanks",
    })
    const session = local.buyer.completeCheckout(id)
    expect(lacking("checkout_session", session)).toEqual([])
    const [line] = (await stripe.checkout.sessions.listLineItems(id, { expand: ["data.price.product"] })).data
    expect(lacking("line_item", line)).toEqual([])
    expect(lacking("price", line?.price)).toEqual([])
    expect(lacking("product", line?.price?.product as Stripe.Product)).toEqual([])
  })

  it("payment link, and what a session or a link is made of", async () => {
    expect(lacking("payment_link", await stripe.paymentLinks.create({ line_items: [hat] }))).toEqual([])
    const coupon = await stripe.coupons.create({ percent_off: 10 })
    expect(lacking("coupon", coupon)).toEqual([])
    const promotion = { type: "coupon" as const, coupon: coupon.id }
    expect(lacking("promotion_code", await stripe.promotionCodes.create({ promotion }))).toEqual([])
    const vat = { display_name: "VAT", inclusive: false, percentage: 19 }
    expect(lacking("tax_rate", await stripe.taxRates.create(vat))).toEqual([])
    const post = { display_name: "Post", fixed_amount: { amount: 500, currency: "usd" } }
    expect(lacking("shipping_rate", await stripe.shippingRates.create(post))).toEqual([])
  })

  it("event, which names no account, as it is of the platform's own", () => {
    const [event] = local.events
    expect(lacking("event", event)).toEqual([])
    expect(event).not.toHaveProperty("account")
    expect(Object.keys(event?.request ?? {})).toEqual(["id", "idempotency_key"])
  })
})
