import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type PaymentSearch, searchPayments, viewPayments } from "../src/payments/search"
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
  const { stripe_payments, count } = await searchPayments(tables.db, { limit: 50, offset: 0, ...search })
  return { ids: stripe_payments.map(({ id }) => id), count }
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

  it("goes through all pages without a gap, and counts all", async () => {
    const pages = [0, 2, 4, 6, 8].map((offset) => find({ limit: 2, offset }))
    expect(await Promise.all(pages)).toEqual([
      { ids: ["pi_7", "pi_6"], count: 7 },
      { ids: ["pi_5", "pi_4"], count: 7 },
      { ids: ["pi_3", "pi_2"], count: 7 },
      { ids: ["pi_1"], count: 7 },
      { ids: [], count: 7 },
    ])
    expect(await find({ q: "ada", limit: 1, offset: 1 })).toEqual({ ids: ["pi_3"], count: 3 })
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
