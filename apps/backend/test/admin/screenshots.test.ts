import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, it } from "vitest"
import { buildAdmin } from "../../launch/build.ts"
import { HOT, StripeShop } from "../orders/stripe-shop.ts"
import { closeShops } from "../setup/shop.ts"
import { missing, Operator } from "./browser.ts"

const IMAGES = fileURLToPath(new URL("../../../../docs/images", import.meta.url))

/** `npm run screenshots` makes the documents' pictures of the admin anew, from payments of every kind. */
describe.skipIf(missing || !process.env.HOLDFAST_SCREENSHOTS)("the documents' pictures", () => {
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

  const pay = async (email: string, sku: string, capture: "automatic" | "manual", out_of_stock?: string) => {
    const items = [{ sku, quantity: 1 }]
    const line = { variant_id: shop.variant(sku).id, quantity: 1 }
    const metadata = { items: JSON.stringify([line]), ...(out_of_stock && { out_of_stock }) }
    const id = await shop.pay({ items, email, capture, metadata })
    await shop.settled([id])
    return id
  }

  it("are taken of the list and of a payment", async () => {
    await shop.putStock(HOT, 2)
    await pay("grace@shop.example", "MUG", "automatic")
    await pay("ada@shop.example", HOT, "manual")
    await pay("alan@shop.example", HOT, "automatic")
    await pay("edsger@shop.example", HOT, "automatic")
    await pay("barbara@shop.example", HOT, "manual")
    const disputed = await pay("mallory@shop.example", "SHIRT-M", "automatic")
    shop.stripe.buyer.dispute(disputed)
    await shop.become(disputed, "disputed")
    await pay("margaret@shop.example", "SHIRT-S", "automatic")
    const review = await pay("katherine@shop.example", HOT, "automatic", "review")
    const take = async (path: string, name: string, height: number) => {
      const page = await operator.open(path, { width: 1280, height })
      await page.getByText("Needs review").first().waitFor()
      await page.waitForLoadState("networkidle")
      await page.screenshot({ path: `${IMAGES}/${name}.png` })
    }
    await take("/stripe-payments", "admin-payments", 620)
    await take(`/stripe-payments/${review}`, "admin-payment", 760)
  })
})
