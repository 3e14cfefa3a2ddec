import { rmSync } from "node:fs"
import getPort from "get-port"
import { afterEach, expect, test } from "vitest"
import { TEMPLATE, templateAdmin } from "../../launch/template.ts"
import { isNightly } from "../setup/nightly.ts"
import { createEmptyDatabase, urlOf } from "../setup/shop.ts"
import { connectionsTo, count, rows, until } from "./inspect.ts"
import { endStarts, newDataDir, start } from "./start.ts"

const dataDir = newDataDir()

afterEach(async () => {
  await endStarts()
  rmSync(dataDir, { recursive: true, force: true })
})

test.runIf(isNightly)(
  "a start that was killed during the migration and during the seed is completed by the next",
  async () => {
    const { url, drop } = await createEmptyDatabase()
    const login = { ADMIN_EMAIL: templateAdmin.email, ADMIN_PASSWORD: templateAdmin.password }
    const env = { DATA_DIR: dataDir, DATABASE_URL: url, PORT: String(await getPort()), ...login }
    const killWhen = async (condition: () => Promise<boolean>) => {
      const run = start({ args: ["--once"], env })
      const tooSoon = run.ended.then(() => {
        throw new Error(`It ended early:\n${run.stdout}`)
      })
      await Promise.race([until(condition), tooSoon])
      tooSoon.catch(() => {})
      run.signal("SIGKILL")
      await run.ended
      await until(async () => (await connectionsTo(url)) === 0)
      return run
    }
    await killWhen(async () => (await count(url, "pg_tables WHERE schemaname = 'public'")) > 60)
    await killWhen(async () => (await count(url, "region")) > 1)
    await killWhen(async () => (await count(url, "product_variant")) > 0)
    const run = start({ args: ["--once"], env })
    await run.says("✓ Database")
    run.signal("SIGINT")
    expect(await run.ended).toBe(130)
    expect(await contents(url)).toEqual(await contents(urlOf(TEMPLATE)))
    await drop()
  },
)

const USED = `SELECT price_set_id FROM product_variant_price_set WHERE deleted_at IS NULL
  UNION SELECT price_set_id FROM shipping_option_price_set WHERE deleted_at IS NULL`

/** A kill between a price and its link leaves prices that nothing refers to, which are harmless. */
const REFERENCED: Record<string, string> = {
  price_set: `id IN (${USED})`,
  price: `price_set_id IN (${USED})`,
}

/** Every table with its number of rows that are neither deleted nor unreferenced. */
async function contents(url: string): Promise<Record<string, number>> {
  const tables = await rows<{ name: string; soft: boolean }>(
    url,
    `SELECT table_name AS name, bool_or(column_name = 'deleted_at') AS soft FROM information_schema.columns
      WHERE table_schema = 'public' GROUP BY table_name ORDER BY table_name`,
  )
  const counts = await Promise.all(
    tables.map(async ({ name, soft }) => {
      const where = [soft ? "deleted_at IS NULL" : "true", REFERENCED[name] ?? "true"].join(" AND ")
      return [name, await count(url, `"${name}" WHERE ${where}`)] as const
    }),
  )
  return Object.fromEntries(counts)
}
