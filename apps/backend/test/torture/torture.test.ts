import { randomInt } from "node:crypto"
import { rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import pg from "pg"
import { expect, it } from "vitest"
import type { Rule } from "../../torture/audit/rules.ts"
import { type AuditedShop, torture } from "../../torture/torture.ts"

/**
 * The nightly form of this is `npm run torture -- shop`. Afterwards the shop is broken on purpose, and the auditor has to
 * tell it.
 */
it("the whole shop keeps its promises while everything fails, and the auditor sees one that does not", async () => {
  const seed = randomInt(1_000_000)
  const folder = join(tmpdir(), `holdfast-torture-shop-${seed}-${process.pid}`)
  const size = { payments: 30, kills: 2, minutes: 0.3, shops: 2 }
  const broken = new Map<string, Rule[]>()
  const report = await torture({
    ...{ store: "postgres", seed, folder, ...size },
    onAudited: async (shop) => {
      for (const [name, sql] of Object.entries(SABOTAGE)) broken.set(name, await rulesBrokenBy(shop, sql))
    },
  })
  expect(report.audit.violations, `seed ${seed}, the shops' logs are in ${folder}`).toEqual([])
  expect(report.figures.orders).toBeGreaterThan(0)
  expect(report.figures.troubles.kill).toBeGreaterThan(0)
  rmSync(folder, { recursive: true, force: true })

  expect(broken.get("a payment's row is deleted")).toEqual(expect.arrayContaining(["lost"]))
  expect(broken.get("a reservation is removed")).toEqual(["stock"])
  expect(broken.get("an order is made of a payment that has one")).toEqual(
    expect.arrayContaining(["doubled"]),
  )
  expect(broken.get("units of stock vanish")).toEqual(expect.arrayContaining(["oversold", "stock"]))
  expect(broken.get("a refund is written that Stripe knows nothing of")).toEqual(["amounts"])
})

/** What no shop may do, and one statement does. */
const SABOTAGE: Readonly<Record<string, string>> = {
  "a payment's row is deleted": `DELETE FROM stripe_payment WHERE id =
    (SELECT id FROM stripe_payment WHERE status = 'completed' ORDER BY id LIMIT 1)`,
  "a reservation is removed": `UPDATE reservation_item SET deleted_at = now() WHERE id =
    (SELECT id FROM reservation_item WHERE deleted_at IS NULL ORDER BY id LIMIT 1)`,
  // A link that a failed completion took back is no order's any more.
  "an order is made of a payment that has one": `UPDATE order_payment_collection AS link
      SET payment_collection_id = other.payment_collection_id
     FROM (SELECT min(payment_collection_id) AS payment_collection_id FROM order_payment_collection
             JOIN payment USING (payment_collection_id)
            WHERE order_payment_collection.deleted_at IS NULL AND payment.deleted_at IS NULL) AS other
    WHERE link.deleted_at IS NULL AND link.payment_collection_id =
      (SELECT max(payment_collection_id) FROM order_payment_collection WHERE deleted_at IS NULL)`,
  "units of stock vanish": `UPDATE inventory_level SET stocked_quantity = reserved_quantity - 1,
      raw_stocked_quantity = jsonb_build_object('value', (reserved_quantity - 1)::text, 'precision', 20)
    WHERE reserved_quantity > 0`,
  "a refund is written that Stripe knows nothing of": `INSERT INTO refund (id, amount, raw_amount, payment_id)
    SELECT 'ref_sabotage', 1, '{"value": "1", "precision": 20}', min(payment_id) FROM capture WHERE deleted_at IS NULL`,
}

/** The statement is rolled back, so that each finds the shop as it was. */
async function rulesBrokenBy({ databaseUrl, auditIn }: AuditedShop, sql: string): Promise<Rule[]> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await client.query("BEGIN")
    await client.query(sql)
    return [...new Set((await auditIn(client)).violations.map(({ rule }) => rule))]
  } finally {
    await client.end()
  }
}
