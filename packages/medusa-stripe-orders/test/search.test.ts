import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { PAYMENT_KINDS } from "../src/payments/kinds"
import { MOST_COUNTED, type PaymentSearch, searchPayments, viewPayments } from "../src/payments/search"
import { ALL, Tables } from "./tables"

let tables: Tables
beforeAll(async () => {
  tables = await Tables.open(...ALL)
  const people: [string, string, string][] = [
    ["pi_1", "Ada@Shop.example", "Ada Lovelace"],
    ["pi_2", "grace@shop.example", "Grace Hopper"],
    ["pi_3", "ada_b@shop.example", "100% Ada"],
    ["pi_4", "adaxb@shop.example", "ada"],
    ["pi_5", "pi_1", "order_2"],
    ["pi_6", "conan@shop.example", "Conan O'Brien-Smith"],
    ["pi_7", "countess@shop.example", "Ада Лавлейс"],
  ]
  for (const [id, email, name] of people) {
    const n = id.slice(3)
    const status = n === "2" ? "review" : "completed"
    const ids = { order_id: `order_${n}`, cart_id: `cart_${n}`, latest_charge: `ch_${n}` }
    await tables.insert(id, { email, name, status, amount: 4_000_000_000, ...ids })
  }
  await tables.insert("pi_gone", { email: "ada@gone.example", deleted_at: new Date() })
})
afterAll(() => tables?.close())

const find = async (search: Partial<PaymentSearch>) => {
  const { stripe_payments, count, next } = await searchPayments(tables.db, { limit: 50, ...search })
  return { ids: stripe_payments.map(({ id }) => id), count, ...(next !== null && { next }) }
}

describe("searching payments", () => {
  it.each<[string, string, string[]]>([
    ["an e-mail address, in whatever case", "ADA@shop", ["pi_1"]],
    ["how an e-mail address or a name begins", "ada", ["pi_4", "pi_3", "pi_1"]],
    ["an underscore that is one", "ada_b", ["pi_3"]],
    ["a percent sign that is one", "100%", ["pi_3"]],
    ["a backslash that is one", "ada\\", []],
    ["a charge", "ch_2", ["pi_2"]],
    ["a cart", "cart_3", ["pi_3"]],
    ["an id, also where another bears it as a name", "order_2", ["pi_5", "pi_2"]],
    ["a payment intent, also where another bears it as an address", "pi_1", ["pi_5", "pi_1"]],
    ["a surname", "Lovelace", ["pi_1"]],
    ["how a surname begins", "LOVE", ["pi_1"]],
    ["all words of a name, in any order", "lovelace ada", ["pi_1"]],
    ["no name that lacks one of the words", "ada hopper", []],
    ["no end of a word", "lace", []],
    ["a name of two parts, by the whole and by either", "O'Brien-Smith", ["pi_6"]],
    ["a part of a name of two", "smith", ["pi_6"]],
    ["a name in other letters", "лавл", ["pi_7"]],
    ["nothing by the signs of a query", "ada & !hopper | (x)", []],
    ["nothing by an apostrophe", "'", []],
    ["a payment that was deleted", "ada@gone.example", []],
  ])("finds %s, the newest first, each once", async (_, q, ids) => {
    expect(await find({ q })).toEqual({ ids, count: ids.length })
  })

  it("finds the orders of a number", async () => {
    expect(await find({ q: "1042", orderIds: ["order_1", "order_4"] })).toEqual({
      ids: ["pi_4", "pi_1"],
      count: 2,
    })
  })

  it("keeps to the states that are asked for", async () => {
    expect(await find({ states: ["review"] })).toEqual({ ids: ["pi_2"], count: 1 })
    expect(await find({ states: ["review", "void"], q: "ada" })).toEqual({ ids: [], count: 0 })
    expect(await find({ states: [] })).toEqual({ ids: [], count: 0 })
  })

  it("keeps to the kind that is asked for", async () => {
    const kinds = await Tables.open(...ALL)
    const rows: [string, Record<string, unknown>][] = [
      ["pi_sold_out", { status: "refunded", reason: "out of stock: 1 of Mug wanted, 0 available" }],
      ["pi_refunded", { status: "refunded", reason: "refunded in Stripe" }],
      ["pi_retrying", { status: "lookup", attempts: 3 }],
      ["pi_captured", { status: "ordered" }],
      ["pi_review", { status: "review", attempts: 20 }],
      ["pi_disputed", { status: "disputed" }],
      ["pi_ignored", { status: "ignored" }],
    ]
    for (const [id, row] of rows) await kinds.insert(id, row)
    const found = Object.fromEntries(
      await Promise.all(
        PAYMENT_KINDS.map(async (kind) => {
          const { stripe_payments } = await searchPayments(kinds.db, { limit: 50, kind })
          return [kind, stripe_payments.map(({ id }) => id)] as const
        }),
      ),
    )
    expect(found).toEqual({
      needs_review: ["pi_review"],
      disputed: ["pi_disputed"],
      sold_out: ["pi_sold_out"],
      retrying: ["pi_retrying"],
      being_captured: ["pi_captured"],
      refunded: ["pi_refunded", "pi_sold_out"],
      ignored: ["pi_ignored"],
    })
    await kinds.close()
  })

  it("counts no further than a person reads", async () => {
    const many = await Tables.open(...ALL)
    await many.rows(
      `INSERT INTO stripe_payment (id, status) SELECT 'pi_' || n, 'review' FROM generate_series(1, 1001) AS n`,
    )
    const search = () => searchPayments(many.db, { limit: 1, states: ["review"] })
    expect(await search()).toMatchObject({ count: MOST_COUNTED, count_is_capped: true })
    await many.rows("DELETE FROM stripe_payment WHERE id = 'pi_1'")
    expect(await search()).toMatchObject({ count: MOST_COUNTED, count_is_capped: false })
    await many.close()
  })

  it("goes through all pages without a gap, and counts all", async () => {
    const pages = []
    for (let before: number | undefined; ; ) {
      const { ids, count, next } = await find({ limit: 2, before })
      pages.push({ ids, count })
      if (next === undefined) break
      before = next
    }
    expect(pages).toEqual([
      { ids: ["pi_7", "pi_6"], count: 7 },
      { ids: ["pi_5", "pi_4"], count: 7 },
      { ids: ["pi_3", "pi_2"], count: 7 },
      { ids: ["pi_1"], count: 7 },
    ])
    const { next } = await find({ q: "ada", limit: 1 })
    expect(await find({ q: "ada", limit: 1, before: next })).toMatchObject({ ids: ["pi_3"], count: 3 })
  })

  it("shows amounts as numbers and states in plain words, and nothing of claims or snapshots", async () => {
    const [view] = await viewPayments(tables.db, ["pi_2"])
    expect(view).toMatchObject({
      amount: 4_000_000_000,
      arrival: 2,
      says: "Needs review: the reason says why.",
    })
    expect(Object.keys(view ?? {}).filter((key) => /claim|snapshot/.test(key))).toEqual([])
    expect(await viewPayments(tables.db, ["pi_gone"])).toEqual([])
  })
})
