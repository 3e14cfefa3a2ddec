import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { buildAdmin } from "../../launch/build.ts"
import { HOT, StripeShop } from "../orders/stripe-shop.ts"
import { closeShops } from "../setup/shop.ts"
import { missing, Operator, overflow, seriousFindings, type View } from "./browser.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]
const SCARCE = [{ sku: HOT, quantity: 1 }]

describe.skipIf(missing)("the admin's pages of Stripe payments", () => {
  let shop: StripeShop
  let operator: Operator
  beforeAll(async () => {
    await buildAdmin()
    shop = await StripeShop.open({ DISABLE_MEDUSA_ADMIN: "false", SHOP_HOOKS_ORDERS: "true" })
    operator = await Operator.logIn(shop.url)
  })
  afterAll(async () => {
    await operator?.close()
    await shop?.close()
  })
  afterAll(closeShops)

  /** Sold out, and the store wants a person to decide. */
  const soldOut = async (email: string) => {
    await shop.putStock(HOT, 0)
    const metadata = {
      items: JSON.stringify([{ variant_id: shop.variant(HOT).id, quantity: 1 }]),
      out_of_stock: "review",
    }
    const intent = await shop.pay({ items: SCARCE, email, metadata })
    await shop.become(intent, "review")
    return intent
  }
  const ordered = async (email: string) => {
    const [row] = await shop.settled([await shop.pay({ items: MUG, email })])
    const { order } = await shop.admin("GET", `/admin/orders/${row?.order_id}`)
    return { intent: row?.id as string, order }
  }

  it("list each payment with its state, order, buyer and amount, and open it", async () => {
    const { intent, order } = await ordered("ada@shop.example")
    const page = await operator.open("/stripe-payments")
    const row = page.getByRole("row").filter({ hasText: "ada@shop.example" })
    for (const text of ["Completed", `#${order.display_id}`, "$14.50"]) {
      await row.getByText(text, { exact: true }).waitFor()
    }
    await row.click()
    await page.waitForURL(`**/stripe-payments/${intent}`)
    await page.getByText("The order is placed and paid.").first().waitFor()
    await page.locator("summary", { hasText: "payment_intent.succeeded" }).click()
    await page.locator("details[open]").getByText(`"id": "${intent}"`).first().waitFor()
    expect(await page.content()).not.toContain("_secret_")
    await page.getByRole("link", { name: `#${order.display_id}` }).click()
    await page.getByRole("heading", { name: "Stripe payment" }).waitFor()
    await page.getByRole("link", { name: "Show what happened" }).click()
    await page.waitForURL(`**/stripe-payments/${intent}`)
  })

  it("find payments by kind, state and words, and keep that in the address", async () => {
    const intent = await soldOut("searched@shop.example")
    await ordered("other@shop.example")
    const page = await operator.open("/stripe-payments?kind=needs_review")
    await page.getByRole("row").filter({ hasText: "searched@shop.example" }).waitFor()
    expect(await page.getByText("other@shop.example").count()).toBe(0)
    await page.getByRole("textbox", { name: "Payment, order number, e-mail, name" }).fill(intent)
    await page.waitForURL((url) => url.searchParams.get("q") === intent)
    await page.getByText("1 payment", { exact: true }).waitFor()
    await page.reload()
    await page.getByText("1 payment", { exact: true }).waitFor()
    await page.getByRole("textbox", { name: "Payment, order number, e-mail, name" }).fill("nothing like it")
    await page.getByText("Nothing matches").waitFor()
    await page.getByRole("combobox", { name: "Show" }).click()
    await page.getByRole("option", { name: "Everything" }).click()
    await page.waitForURL((url) => !url.searchParams.has("kind"))
  })

  it("let a person refund, which reaches Stripe, once, with who and why", async () => {
    const intent = await soldOut("refund@shop.example")
    const page = await operator.open(`/stripe-payments/${intent}`)
    await page.getByRole("button", { name: "Refund" }).click()
    const prompt = page.getByRole("alertdialog")
    await prompt.getByRole("button", { name: "Refund" }).click()
    await prompt.getByText("Say why.").waitFor()
    await prompt.getByRole("textbox").fill("the buyer does not want to wait")
    await prompt.getByRole("button", { name: "Refund" }).dblclick()
    await page.getByText("Its money is on its way back").waitFor()
    await shop.become(intent, "refunded")
    const { data } = await shop.client.refunds.list({ payment_intent: intent })
    expect(data).toHaveLength(1)
    await page.getByText("To be refunded: the buyer does not want to wait").waitFor()
    await page.getByText("admin@holdfast.example").first().waitFor()
    expect(await page.getByRole("button", { name: "Refund" }).count()).toBe(0)
  })

  it("let a person accept a backorder: the order is made, and the stock goes below zero", async () => {
    const intent = await soldOut("wait@shop.example")
    const page = await operator.open(`/stripe-payments/${intent}`)
    await page.getByRole("button", { name: "Accept as backorder" }).click()
    await page.getByRole("alertdialog").getByRole("button", { name: "Accept as backorder" }).click()
    await page.getByText("Its order is being made").waitFor()
    const row = await shop.become(intent, "completed")
    expect(row.order_id).toMatch(/^order_/)
    expect(await shop.stock(HOT)).toMatchObject({ stocked: 0, reserved: 1 })
    await page.getByText("The order is placed and paid.").first().waitFor()
  })

  it("do the same to several at once, and say which were left as they are", async () => {
    const intents = [await soldOut("several1@shop.example"), await soldOut("several2@shop.example")]
    const page = await operator.open("/stripe-payments?q=several")
    for (const n of [1, 2]) {
      await page
        .getByRole("row")
        .filter({ hasText: `several${n}@` })
        .getByRole("checkbox")
        .click()
    }
    // Another person was faster with one of them.
    await shop.admin("POST", `/admin/stripe-payments/${intents[0]}/dismiss`, { reason: "settled by phone" })
    await page.getByRole("button", { name: "Dismiss" }).click()
    await page.getByRole("alertdialog").getByRole("textbox").fill("no answer of the buyer's")
    await page.getByRole("alertdialog").getByRole("button", { name: "Dismiss" }).click()
    await page.getByText("Put aside").first().waitFor()
    await page.getByText("1 was left as it is: Dismissed").waitFor()
    const rows = await shop.payments(intents)
    expect(rows.map(({ status }) => status)).toEqual(["dismissed", "dismissed"])
  })

  it("say that a payment does not exist", async () => {
    const page = await operator.open("/stripe-payments/pi_none")
    await page.getByRole("alert").getByText("There is no Stripe payment pi_none").first().waitFor()
  })

  it.each<[string, View]>([
    ["on a laptop", {}],
    ["in the dark", { dark: true }],
    ["on a phone", { width: 390, height: 844 }],
  ])("have no serious findings of axe, and fit %s", async (_, view) => {
    const intent = await soldOut("axe@shop.example")
    for (const path of ["/stripe-payments", `/stripe-payments/${intent}`]) {
      const page = await operator.open(path, view)
      await page.getByText("Needs review").first().waitFor()
      expect(await seriousFindings(page)).toEqual([])
      expect(await overflow(page)).toBeLessThanOrEqual(0)
    }
  })

  it("may be used by the keyboard alone", async () => {
    const intent = await soldOut("keyboard@shop.example")
    const page = await operator.open(`/stripe-payments/${intent}`)
    const button = page.getByRole("button", { name: "Dismiss" })
    await button.focus()
    await page.keyboard.press("Enter")
    await page.getByRole("alertdialog").getByRole("textbox").focus()
    await page.keyboard.type("by keyboard")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await shop.become(intent, "dismissed")
  })

  it("speak German", async () => {
    await soldOut("deutsch@shop.example")
    const page = await operator.open("/stripe-payments?q=deutsch", { language: "de" })
    await page.getByRole("heading", { name: "Stripe-Zahlungen" }).waitFor()
    await page.getByText("Zu prüfen").first().waitFor()
    await page.getByText(/120,00\s\$/).waitFor()
    await page.getByRole("link", { name: "Stripe-Zahlungen" }).waitFor()
  })
})
