import { rmSync } from "node:fs"
import getPort from "get-port"
import { afterEach, expect, test } from "vitest"
import { templateAdmin } from "../../launch/template.ts"
import { createDatabase } from "../setup/shop.ts"
import { connectionsTo } from "./inspect.ts"
import { endStarts, newDataDir, start } from "./start.ts"

const dataDir = newDataDir()

afterEach(async () => {
  await endStarts()
  rmSync(dataDir, { recursive: true, force: true })
})

test("--once --json opens the sale, prints its figures and nothing else, and leaves nothing behind", async () => {
  const { url, drop } = await createDatabase()
  const port = await getPort()
  const login = { ADMIN_EMAIL: templateAdmin.email, ADMIN_PASSWORD: templateAdmin.password }
  const env = { DATA_DIR: dataDir, DATABASE_URL: url, PORT: String(port), ...login }
  const run = start({ args: ["--once", "--json"], env })
  expect({ status: await run.ended, said: run.stderr }).toMatchObject({
    status: 0,
    said: expect.stringContaining("Every rule held."),
  })
  const { refunded, canceled, deliveries, seconds, ...figures } = JSON.parse(run.stdout)
  expect(figures).toEqual({
    payments: 60,
    orders: 30,
    unitsSold: 20,
    oversold: 0,
    duplicateOrders: 0,
    lostPayments: 0,
    stockBefore: 20,
    stockAfter: 0,
  })
  expect(refunded + canceled).toBe(30)
  expect(Math.min(refunded, canceled, deliveries - 60, seconds)).toBeGreaterThan(0)
  expect(run.stdout.trim()).not.toContain("\n")
  await expect(fetch(`http://localhost:${port}/health`)).rejects.toThrow()
  expect(await connectionsTo(url)).toBe(0)
  await drop()
})
