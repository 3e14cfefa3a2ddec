import type Stripe from "stripe"
import { describe, expect, it } from "vitest"
import { PAYMENT_STATES, statesOf } from "../src/payments/states"
import { disagreementOf, type KnownPayment } from "../src/reconcile/findings"

interface Intent {
  status?: Stripe.PaymentIntent.Status
  received?: number
  refunded?: number
  disputed?: boolean
}

function intent({ status = "succeeded", received, refunded = 0, disputed = false }: Intent = {}) {
  const amount_received = received ?? (status === "succeeded" ? 1000 : 0)
  const isWhole = amount_received > 0 && refunded === amount_received
  const latest_charge = { amount_refunded: refunded, refunded: isWhole, disputed }
  const amounts = {
    amount: 1000,
    amount_received,
    amount_capturable: status === "requires_capture" ? 1000 : 0,
  }
  return { id: "pi_1", status, currency: "usd", ...amounts, latest_charge } as Stripe.PaymentIntent
}

const known = (status: KnownPayment["status"], shown: Partial<NonNullable<KnownPayment["shown"]>> = {}) => ({
  status,
  order_id: "order_1",
  shown: { captured: 1000, refunded: 0, isDisputed: false, ...shown },
})

const PAID: Intent[] = [{}, { status: "requires_capture" }, { refunded: 400 }]
const NOT_PAID: Intent[] = [
  { refunded: 1000 },
  { status: "canceled" },
  { status: "requires_payment_method" },
  { status: "requires_action" },
]

describe("a payment that is unknown here", () => {
  it.each([...PAID, { status: "processing" } as Intent])("is taken up where it is %j in Stripe", (stripe) => {
    expect(disagreementOf(intent(stripe), undefined)).toMatchObject({ to: "pending" })
  })

  it.each(NOT_PAID)("is no finding where it is %j in Stripe", (stripe) => {
    expect(disagreementOf(intent(stripe), undefined)).toBeNull()
  })
})

describe("a payment that is known", () => {
  it.each(["void", "awaiting_payment"] as const)(
    "and %s is taken up where Stripe has its money",
    (status) => {
      for (const stripe of PAID) {
        expect(disagreementOf(intent(stripe), known(status))).toMatchObject({ to: "pending" })
      }
      for (const stripe of NOT_PAID) {
        expect(disagreementOf(intent(stripe), known(status))).toBeNull()
      }
    },
  )

  it.each<[string, Intent, Parameters<typeof known>[1], string]>([
    ["canceled", { status: "canceled" }, {}, "is canceled in Stripe, and order order_1 shows it as paid"],
    [
      "captured in part",
      { received: 600 },
      {},
      "Stripe captured 6.00 USD, and order order_1 shows 10.00 USD",
    ],
    ["captured", {}, { captured: 0 }, "Stripe captured 10.00 USD, and order order_1 shows 0.00 USD"],
    ["refunded", { refunded: 1000 }, {}, "Stripe refunded 10.00 USD, and order order_1 shows 0.00 USD"],
    [
      "refunded in part",
      { refunded: 400 },
      { refunded: 100 },
      "Stripe refunded 4.00 USD, and order order_1 shows 1.00",
    ],
    [
      "no longer refunded",
      {},
      { refunded: 400 },
      "Stripe refunded 0.00 USD, and order order_1 shows 4.00 USD",
    ],
    ["disputed", { disputed: true }, {}, "is disputed in Stripe"],
  ])("and completed is recorded anew where it is %s in Stripe", (_, stripe, shown, text) => {
    const found = disagreementOf(intent(stripe), known("completed", shown))
    expect(found).toMatchObject({ to: "money_moved" })
    expect(found?.text).toContain(text)
  })

  it.each<[Intent, Parameters<typeof known>[1]]>([
    [{}, {}],
    [{ refunded: 400 }, { refunded: 400 }],
    [{ refunded: 1000 }, { refunded: 1000 }],
    [{ disputed: true }, { isDisputed: true }],
  ])("and completed is left alone where its order shows what Stripe has: %j", (stripe, shown) => {
    expect(disagreementOf(intent(stripe), known("completed", shown))).toBeNull()
  })

  it("and awaits its capture is looked at where Stripe has moved on", () => {
    expect(disagreementOf(intent({ status: "requires_capture" }), known("awaiting_capture"))).toBeNull()
    for (const status of ["succeeded", "canceled"] as const) {
      expect(disagreementOf(intent({ status }), known("awaiting_capture"))).toMatchObject({
        to: "awaiting_capture",
      })
    }
  })

  it("and was given back is taken up where Stripe still holds money of it", () => {
    expect(disagreementOf(intent({ refunded: 1000 }), known("refunded"))).toBeNull()
    expect(disagreementOf(intent({ refunded: 400 }), known("refunded"))).toMatchObject({
      to: "refunding",
      text: "was refunded, but Stripe still holds 6.00 USD",
    })
  })

  it("and was canceled is a person's where Stripe has its money, or holds it", () => {
    expect(disagreementOf(intent({ status: "canceled" }), known("canceled"))).toBeNull()
    for (const stripe of PAID) {
      expect(disagreementOf(intent(stripe), known("canceled"))).toMatchObject({ to: null })
    }
  })

  const busy = PAYMENT_STATES.filter((state) => !statesOf(null).includes(state)).filter(
    (state) => state !== "awaiting_payment" && state !== "awaiting_capture",
  )
  it.each(busy)("and %s is being worked on, or has its reason", (status) => {
    for (const stripe of [...PAID, ...NOT_PAID]) {
      expect(disagreementOf(intent(stripe), known(status))).toBeNull()
    }
  })
})
