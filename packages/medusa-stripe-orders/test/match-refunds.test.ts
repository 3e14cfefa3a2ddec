import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type MedusaRefund, matchRefunds, type StripeRefund } from "../src/medusa/match-refunds"

const byAdmin = (id: string, amount: number): MedusaRefund => ({
  id,
  amount,
  stripe_refund_id: null,
  is_removed: false,
})

/** Medusa's refunds after what the match says was written. */
function written(medusa: MedusaRefund[], stripe: StripeRefund[]): MedusaRefund[] {
  const { missing, found, failed } = matchRefunds(medusa, stripe)
  const names = new Map(found.map(({ id, stripe_refund_id }) => [id, stripe_refund_id]))
  const removed = new Set(failed.map(({ refund }) => refund.id))
  return [
    ...medusa.map((refund) => ({
      ...refund,
      stripe_refund_id: names.get(refund.id) ?? refund.stripe_refund_id,
      is_removed: refund.is_removed || removed.has(refund.id),
    })),
    ...missing.map(({ id, amount }) => ({
      id: `ref_of_${id}`,
      amount,
      stripe_refund_id: id,
      is_removed: false,
    })),
  ]
}

const shown = (medusa: MedusaRefund[]) =>
  medusa.flatMap(({ amount, is_removed }) => (is_removed ? [] : [amount])).sort((a, b) => a - b)

describe("the refunds that an order shows", () => {
  it("are, once all have ended, those that succeeded in Stripe, made in Stripe or in Medusa, in any order of states", () => {
    const amounts = fc.integer({ min: 1, max: 3 })
    const statuses = fc.constantFrom("pending", "requires_action", "succeeded", "failed", "canceled")
    const ends = fc.constantFrom("succeeded", "failed", "canceled")
    const refunds = fc.array(
      fc.record({
        amount: amounts,
        isByAdmin: fc.boolean(),
        life: fc.array(statuses, { maxLength: 3 }),
        end: ends,
      }),
      { maxLength: 6 },
    )
    fc.assert(
      fc.property(refunds, (refunds) => {
        let medusa = refunds.flatMap(({ amount, isByAdmin }, i) =>
          isByAdmin ? [byAdmin(`ref_${i}`, amount)] : [],
        )
        const at = (step: number) =>
          refunds.map(({ amount, life, end }, i) => ({ id: `re_${i}`, amount, status: life[step] ?? end }))
        for (let step = 0; step <= 3; step++) {
          medusa = written(medusa, at(step))
          expect(written(medusa, at(step))).toEqual(medusa)
        }
        const succeeded = at(3).flatMap(({ amount, status }) => (status === "succeeded" ? [amount] : []))
        expect(shown(medusa)).toEqual(succeeded.sort((a, b) => a - b))
      }),
    )
  })

  it("are not taken off while Stripe has not heard of them yet", () => {
    expect(matchRefunds([byAdmin("ref_1", 5)], [])).toEqual({
      missing: [],
      found: [],
      failed: [],
      pending: [],
    })
  })
})
