import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, it } from "vitest"
import { type StripeLocal, startStripeLocal } from "../src/index.js"
import { Shop } from "./shop.js"

let folder: string
let stateFile: string
let local: StripeLocal
let shop: Shop

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "stripe-local-"))
  stateFile = join(folder, "data", "stripe.json")
  shop = await Shop.open()
  local = await start()
})
afterEach(async () => {
  await local.close()
  await shop.close()
  await rm(folder, { recursive: true })
})

const start = () => startStripeLocal({ stateFile, retryDelays: [5, 60_000] })

async function restart(): Promise<void> {
  await local.close()
  local = await start()
}

const authorised = {
  amount: 2000,
  currency: "usd",
  payment_method: "pm_card_visa",
  confirm: true,
  capture_method: "manual",
} as const

it("everything is there after a restart", async () => {
  const { secret } = local.addWebhookEndpoint({ url: shop.url })
  const stripe = local.client()
  const intent = await stripe.paymentIntents.create(authorised, { idempotencyKey: "key_1" })
  const session = await stripe.checkout.sessions.create({
    mode: "payment",
    line_items: [
      { price_data: { currency: "usd", unit_amount: 100, product_data: { name: "hat" } }, quantity: 1 },
    ],
  })
  await local.idle()
  const events = local.events
  await restart()

  const again = local.client()
  expect(await again.paymentIntents.retrieve(intent.id)).toEqual(intent)
  expect(local.events).toEqual(events)
  const replayed = await again.paymentIntents.create(authorised, { idempotencyKey: "key_1" })
  expect(replayed).toEqual(intent)
  expect((await again.paymentIntents.capture(intent.id)).status).toBe("succeeded")
  expect(local.buyer.completeCheckout(session.id).status).toBe("complete")
  await local.idle()
  expect(shop.verified(secret).at(-1)?.type).toBe("checkout.session.completed")
})

it("an undelivered event is tried again after a restart", async () => {
  const { secret } = local.addWebhookEndpoint({ url: shop.url, enabledEvents: ["customer.created"] })
  shop.answers.push(500, 500)
  await local.client().customers.create()
  await shop.arrived(2)
  await restart()
  await local.idle()
  expect(shop.verified(secret)).toHaveLength(3)
  expect(local.deliveries).toMatchObject([{ attempt: 3, status: 200 }])
  expect(local.events[0]?.pending_webhooks).toBe(0)
})

it("the state is saved while it runs, in one step", async () => {
  const { id } = await local.client().customers.create()
  let other: StripeLocal | undefined
  for (let found = false; !found; ) {
    await other?.close()
    other = await startStripeLocal({ stateFile: await copyOf(stateFile) })
    found = (await other.client().customers.list()).data.some((customer) => customer.id === id)
  }
  await other?.close()
  expect(await readdir(join(folder, "data"))).toEqual(["stripe.json"])
})

it("a file that is no state is refused and left as it is", async () => {
  const broken = join(folder, "broken.json")
  await writeFile(broken, "{")
  await expect(startStripeLocal({ stateFile: broken })).rejects.toThrow("is not a state of local Stripe")
})

async function copyOf(path: string): Promise<string> {
  const { copyFile } = await import("node:fs/promises")
  const copy = join(folder, "copy.json")
  await copyFile(path, copy).catch(() => {})
  return copy
}
