import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { HOT, StripeShop, times } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]
const DAY_MS = 86_400_000
const COMMAND =
  "../../../../node_modules/@holdfast/medusa-stripe-orders/.medusa/server/src/commands/stripe-payments.js"

interface Report {
  listed: number
  by_status: Record<string, number>
  findings: { payment_intent_id: string; text: string; taken_up: boolean }[]
}

describe("what Stripe has, compared with what became of it", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open({ HOLDFAST_MAX_ATTEMPTS: "2" })
  })
  beforeEach(() => {
    shop.stripe.delivery = {}
    shop.stripe.faults.clear()
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  const today = () => ({ since: new Date(Date.now() - DAY_MS).toISOString() })
  const reconcile = (): Promise<Report> => shop.admin("POST", "/admin/stripe-payments/reconcile", today())
  const command = async (...args: string[]) => await shop.script(COMMAND, ["--", ...args]).finished
  const loseEvents = () => {
    shop.stripe.delivery = { hold: () => true }
  }
  const textsOf = async (intent: string) =>
    (
      await shop.rows<{ text: string }>(
        "SELECT text FROM stripe_timeline WHERE payment_intent_id = $1 ORDER BY id",
        [intent],
      )
    ).map(({ text }) => text)

  it("finds paid payments without an event, makes their orders with no further read, and is content then", async () => {
    const known = await shop.pay({ items: MUG })
    await shop.settled([known])
    loseEvents()
    const lost = await times(3, (i) => shop.pay({ items: MUG, capture: i ? "automatic" : "manual" }))
    const unpaid = await shop.intent({ items: MUG })

    const report = await reconcile()
    expect(report).toMatchObject({ listed: 5, by_status: { completed: 1, unknown: 3, unpaid: 1 } })
    expect(report.findings.map(({ payment_intent_id }) => payment_intent_id).sort()).toEqual([...lost].sort())
    expect(
      report.findings.every(({ taken_up, text }) => taken_up && / and was unknown here$/.test(text)),
    ).toBe(true)
    const rows = await shop.settled(lost)
    expect(rows.map(({ status }) => status)).toEqual(["completed", "completed", "completed"])
    expect(await textsOf(lost[1] ?? "")).toContain(
      report.findings[0]?.text.replace(/^/, "Found by reconcile: "),
    )
    expect(shop.calls(lost[1] ?? "")).toEqual([])
    expect(await shop.payments([unpaid])).toEqual([])

    expect(await reconcile()).toMatchObject({ by_status: { completed: 4, unpaid: 1 }, findings: [] })
  })

  it("finds what moved in Stripe after the order, and has the order show it", async () => {
    const [whole, part] = (await times(2, () => shop.pay({ items: MUG }))) as [string, string]
    await shop.settled([whole, part])
    loseEvents()
    await shop.client.refunds.create({ payment_intent: whole })
    await shop.client.refunds.create({ payment_intent: part, amount: 100 })
    shop.stripe.buyer.dispute(part, { reason: "fraudulent" })

    const { findings } = await reconcile()
    expect(findings.map(({ payment_intent_id, taken_up }) => [payment_intent_id, taken_up]).sort()).toEqual(
      [
        [whole, true],
        [part, true],
      ].sort(),
    )
    const settled = await shop.settled([whole, part])
    expect(settled.map(({ id, status }) => [id, status]).sort()).toEqual(
      [
        [whole, "completed"],
        [part, "disputed"],
      ].sort(),
    )
    expect(
      await shop.count("refund JOIN stripe_payment AS p USING (payment_id) WHERE p.id = ANY($1)", [
        [whole, part],
      ]),
    ).toBe(2)
    expect((await reconcile()).findings).toEqual([])
  })

  it("counts what needs review with its reason, and leaves it alone", async () => {
    const intent = await shop.pay({ items: MUG, metadata: { from: "elsewhere" } })
    const [before] = await shop.settled([intent])
    expect(before?.status).toBe("review")
    const report = await reconcile()
    expect(report.by_status).toMatchObject({ review: 1, disputed: 1 })
    expect(report.findings).toEqual([])
    expect((await shop.payments([intent]))[0]).toEqual(before)
  })

  it("is refused without a span, with one that is too long, and to those who are no administrators", async () => {
    const ask = (body: object) => shop.admin("POST", "/admin/stripe-payments/reconcile", body)
    await expect(ask({})).rejects.toThrow("since")
    await expect(ask({ since: "2026-01-01", until: "2025-01-01" })).rejects.toThrow(
      "since must be before until",
    )
    await expect(ask({ since: "2020-01-01" })).rejects.toThrow(
      "at most 31 days at once: for more use the command",
    )
    for (const since of ["2026-02-31", "2026-04-31T10:00:00Z", "2027-02-29"]) {
      await expect(ask({ since })).rejects.toThrow("since must be a date")
    }
    await expect(shop.store("POST", "/admin/stripe-payments/reconcile", today())).rejects.toThrow(": 401 ")
  })

  it("is told by the command too, which takes up what is missing for the shop's workers", async () => {
    loseEvents()
    const lost = await shop.pay({ items: MUG })
    const printed = await command("reconcile", "--since", today().since, "--by", "ada")
    expect(printed).toContain(`${lost}  paid 14.50 USD in Stripe, and was unknown here`)
    expect(await shop.settled([lost])).toMatchObject([{ status: "completed" }])

    const shown = await command("show", lost, "--json")
    const { stripe_payments } = JSON.parse(shown.slice(shown.indexOf("{\n"), shown.lastIndexOf("\n}") + 2))
    expect(stripe_payments).toMatchObject([
      {
        id: lost,
        status: "completed",
        timeline: expect.arrayContaining([expect.objectContaining({ actor: "ada" })]),
      },
    ])
    await expect(command("list", "--statsu", "review")).rejects.toThrow(
      /ended with 1\.\n(.*\n)*.*Unknown option '--statsu'/,
    )
  })

  it("payments that need review are taken up again, several or all of a kind, with an exact answer", async () => {
    const retry = (body: object) => shop.admin("POST", "/admin/stripe-payments/retry", body)
    await shop.putStock(HOT, 0)
    shop.stripe.faults.next("POST /v1/refunds", { status: 500, times: Number.POSITIVE_INFINITY })
    const stuck = await times(3, () => shop.pay({ items: [{ sku: HOT, quantity: 1 }] }))
    expect((await shop.settled(stuck)).map(({ status }) => status)).toEqual(["review", "review", "review"])
    const [completed = ""] = (
      await shop.rows<{ id: string }>("SELECT id FROM stripe_payment WHERE status = 'completed'")
    ).map(({ id }) => id)
    shop.stripe.faults.clear()

    const [first = "", ...others] = stuck
    expect(await retry({ ids: [first, completed, "pi_unknown"] })).toEqual({
      done: [first],
      not_done: [
        { id: completed, status: "completed" },
        { id: "pi_unknown", status: null },
      ],
    })
    const { done } = await retry({ status: "review", reason: "GAVE UP after 2" })
    expect([...done].sort()).toEqual([...others].sort())
    expect((await shop.settled(stuck)).map(({ status }) => status)).toEqual([
      "refunded",
      "refunded",
      "refunded",
    ])
    const left = await shop.admin("GET", "/admin/stripe-payments?status=review")
    expect(left.stripe_payments.filter(({ id }: { id: string }) => stuck.includes(id))).toEqual([])

    await expect(retry({})).rejects.toThrow("give either ids, or status")
    await expect(retry({ ids: [first], status: "review" })).rejects.toThrow("give either ids, or status")
    await expect(retry({ status: "completed" })).rejects.toThrow(
      "only what waits for a person is taken up again",
    )
    await expect(shop.store("POST", "/admin/stripe-payments/retry", { ids: [first] })).rejects.toThrow(
      ": 401 ",
    )
  })
})
