import { MedusaError } from "@medusajs/framework/utils"
import { expect, it } from "vitest"
import { locksLoader } from "../src/loader.js"
import { HOLDFAST, startMedusa } from "./medusa.js"

it("starts without options, and with none in them", async () => {
  for (const options of [undefined, {}]) {
    const { locking, stop } = await startMedusa({ ...HOLDFAST, options })
    await locking.acquire("key")
    await stop()
  }
})

it("refuses an option that it doesn't have, by name, when Medusa starts", async () => {
  const load = locksLoader("holdfast-memory", [], () => expect.unreachable())
  const refusal = load({ options: { redisUrl: "x" }, moduleOptions: {} } as never)
  await expect(refusal).rejects.toMatchObject({
    type: MedusaError.Types.INVALID_ARGUMENT,
    message: 'The locking provider "holdfast-memory" has no option "redisUrl": it has none',
  })
})
