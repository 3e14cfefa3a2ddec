import { afterAll, expect, test } from "vitest"
import { closeShops, createDatabase, openShop } from "./setup/shop.ts"

afterAll(closeShops)

test("a copy of the database is a shop that sells", async () => {
  const { url, seeded, drop } = await createDatabase()
  const shop = await openShop(url)
  await shop.ready
  const headers = { "x-publishable-api-key": seeded.publishableKey }
  const answer = await fetch(
    `${shop.url}/store/products?region_id=${seeded.regions.eur?.id}&fields=*variants.calculated_price`,
    { headers },
  )
  const { products } = (await answer.json()) as { products: { handle: string }[] }
  expect(products.map(({ handle }) => handle).sort()).toEqual([
    "deck-shirt",
    "galley-mug",
    "galley-mug-pair",
    "storm-lantern",
  ])
  await shop.stop()
  await drop()
})

test("a shop that can't start says why", async () => {
  const { url } = await createDatabase()
  const shop = await openShop(`${url}_gone`)
  await expect(shop.ready).rejects.toThrow(/The shop did not start.*does not exist/s)
})
