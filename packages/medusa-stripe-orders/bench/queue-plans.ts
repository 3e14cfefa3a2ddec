import { tmpdir } from "node:os"
import { join } from "node:path"
import { startPostgres } from "@holdfast/postgres-local"
import { type Knex, knex } from "@medusajs/framework/mikro-orm/knex"
import { Migration20261124044229 as First } from "../src/modules/stripe-orders/migrations/Migration20261124044229"
import { Migration20261127190000 as StateMachine } from "../src/modules/stripe-orders/migrations/Migration20261127190000"
import type { Database } from "../src/payments/payments"
import { claimToCarryOut, claimToDecide } from "../src/payments/queue"
import { type PaymentSearch, searchPayments } from "../src/payments/search"

/**
 * How the database finds what is due and what a person searches for, among many payments: EXPLAIN (ANALYZE, BUFFERS) of
 * the plugin's own statements. In this package: `node --import tsx bench/queue-plans.ts [--payments 1000000] [--whole]`
 */
const payments = Number(argument("--payments") ?? 1_000_000)
const isWhole = process.argv.includes("--whole")

function argument(name: string): string | undefined {
  const place = process.argv.indexOf(name)
  return place < 0 ? undefined : process.argv[place + 1]
}

/** 97 in 100 are completed; the rest is what a shop has after its sale has begun: a backlog in each state. */
const FILL = `
  INSERT INTO stripe_payment (id, status, order_id, cart_id, payment_id, amount, currency, email, name, created, livemode,
    payment_method, payment_method_type, latest_charge, revision, status_since, due_at, captured_at, placed_at, reason)
  SELECT 'pi_' || md5(n::text), status, CASE WHEN has_order THEN 'order_' || md5('o' || n) END, 'cart_' || md5('c' || n),
    CASE WHEN has_order THEN 'pay_' || md5('p' || n) END, 1000 + n % 90000, 'usd',
    (ARRAY['ada', 'grace', 'alan', 'edsger', 'barbara', 'donald', 'margaret', 'john'])[1 + n % 8] || '.' || n || '@shop.example',
    (ARRAY['Ada', 'Grace', 'Alan', 'Edsger', 'Barbara', 'Donald', 'Margaret', 'John'])[1 + n % 8] || ' ' ||
      initcap(substr(md5('n' || n), 1, 8)), at, true, 'pm_' || md5('m' || n), 'card', 'ch_' || md5('h' || n), 2, at, due_at,
    CASE WHEN has_order AND status <> 'awaiting_capture' AND NOT (status = 'ordered' AND n % 2 = 0) THEN at END,
    CASE WHEN status = 'completed' THEN at END, CASE WHEN status = 'review' THEN 'paid 1.00 USD, but the order comes to 2.00 USD' END
  FROM (SELECT n, at, status, status IN ('completed', 'ordered', 'awaiting_capture') AS has_order,
               CASE status WHEN 'awaiting_capture' THEN now() + interval '1 day'
                           WHEN 'awaiting_payment' THEN now() + interval '1 hour' ELSE at END AS due_at
          FROM (SELECT n, now() - (:payments - n) * interval '10 seconds' AS at,
                       CASE WHEN n > :payments - 20000 THEN 'pending'
                            WHEN n > :payments - 24000 THEN (ARRAY['ordered', 'ordered', 'refunding', 'lookup'])[1 + n % 4]
                            WHEN n % 1000 = 1 THEN 'review' WHEN n % 1000 = 2 THEN 'refunded' WHEN n % 1000 = 3 THEN 'canceled'
                            WHEN n % 1000 = 4 THEN 'void' WHEN n % 1000 = 5 THEN 'awaiting_payment'
                            WHEN n % 1000 = 6 THEN 'awaiting_capture' ELSE 'completed' END AS status
                  FROM generate_series(1, :payments) AS n) AS made) AS filled`

interface Plan {
  title: string
  lines: string[]
}

/** Runs what is asked of the database under EXPLAIN, and takes back what it wrote. */
async function explain(db: Knex, title: string, ask: (db: Database) => Promise<unknown>): Promise<Plan[]> {
  const plans: Plan[] = []
  const trx = await db.transaction()
  try {
    const explained = {
      raw: async (sql: string, values: Knex.RawBinding) => {
        // Once to have the pages in memory, as they are in a shop at work; what it changes is undone between the two.
        for (const isWarm of [false, true]) {
          await trx.raw("SAVEPOINT before")
          const { rows } = await trx.raw(`EXPLAIN (ANALYZE, BUFFERS) ${sql}`, values)
          await trx.raw("ROLLBACK TO SAVEPOINT before")
          if (isWarm) {
            const lines = rows.map((row: Record<string, string>) => row["QUERY PLAN"])
            plans.push({ title: plans.length === 0 ? title : `${title}: the count`, lines })
          }
        }
        return { rows: [{}] }
      },
    }
    await ask(explained as unknown as Database)
  } finally {
    await trx.rollback()
  }
  return plans
}

/** What reads the tables, and how long it took. */
function summary({ title, lines }: Plan): string {
  const scans = lines.flatMap(
    (line) => /(Seq Scan|Index (Only )?Scan|Bitmap Index Scan|Sort Method|Sort Key).*/.exec(line)?.[0] ?? [],
  )
  const time = lines.find((line) => line.includes("Execution Time"))?.trim() ?? ""
  return [
    `${title}: ${time.replace("Execution Time: ", "")}`,
    ...scans.map((scan) => `    ${scan.slice(0, 110)}`),
  ].join("\n")
}

async function main(): Promise<void> {
  const postgres = await startPostgres({
    dataDir: join(tmpdir(), `holdfast-queue-plans-${process.pid}`),
    persistent: false,
    settings: { fsync: "off", synchronous_commit: "off", full_page_writes: "off", max_wal_size: "4GB" },
  })
  const db = knex({ client: "pg", connection: postgres.url(), pool: { min: 0, max: 2 } })
  try {
    for (const Step of [First, StateMachine]) {
      const migration = new (Step as new () => InstanceType<typeof Step>)()
      await migration.up()
      for (const sql of migration.getQueries()) {
        await db.raw((sql as string).replaceAll("?", "\\?"))
      }
    }
    await db.raw(FILL, { payments })
    await db.raw("VACUUM ANALYZE stripe_payment")
    const [sample] = await db("stripe_payment")
      .where({ status: "completed" })
      .orderBy("arrival")
      .offset(payments / 2)
      .limit(1)
    const search = (q: Partial<PaymentSearch>) => (db: Database) => searchPayments(db, { limit: 50, ...q })
    const lane = (name: "announce" | "stripe") => (db: Database) =>
      claimToCarryOut(db, "worker", name, { limit: 50, capturesAfterStock: true })
    const questions: [string, (db: Database) => Promise<unknown>][] = [
      ["claimToDecide, 50 of 20,000", (db) => claimToDecide(db, "worker", 50)],
      ["claimToCarryOut, announce", lane("announce")],
      ["claimToCarryOut, stripe", lane("stripe")],
      ["search by e-mail", search({ q: sample.email })],
      ["search by e-mail prefix, many", search({ q: "ada." })],
      ["search by e-mail prefix, few", search({ q: sample.email.slice(0, 8) })],
      ["search by name prefix", search({ q: sample.name.slice(0, 8) })],
      ["search by charge", search({ q: sample.latest_charge })],
      ["search by payment intent", search({ q: sample.id })],
      ["search by order's id", search({ q: sample.order_id })],
      ["search by order's number", search({ q: "1042", orderIds: [sample.order_id] })],
      ["search by nothing that is there", search({ q: "nobody@nowhere.example" })],
      ["review, newest first", search({ states: ["review"] })],
      ["review, by e-mail prefix", search({ states: ["review"], q: "grace" })],
      ["completed, newest first", search({ states: ["completed"] })],
      ["all, newest first", search({})],
      ["all, half-way", search({ before: Number(sample.arrival) })],
      ["sold out, newest first", search({ kind: "sold_out" })],
      ["retrying, newest first", search({ kind: "retrying" })],
    ]
    for (const [title, ask] of questions) {
      for (const plan of await explain(db, title, ask)) {
        console.log(isWhole ? `\n## ${plan.title}\n${plan.lines.join("\n")}` : summary(plan))
      }
    }
  } finally {
    await db.destroy()
    await postgres.stop()
  }
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
