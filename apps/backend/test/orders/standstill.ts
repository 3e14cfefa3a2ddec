import { Locks } from "@holdfast/lock"
import { postgresStore } from "@holdfast/lock/postgres"
import type { StripeShop } from "./stripe-shop.ts"

/** Takes database locks by `sql`: statements that need them wait. Returns a function that releases them. */
export async function hold(shop: StripeShop, sql: string): Promise<() => Promise<void>> {
  const client = await shop.db.connect()
  await client.query("BEGIN")
  await client.query(sql)
  return async () => {
    await client.query("ROLLBACK")
    client.release()
  }
}

/** Resolves when the shop waits for a database lock, of that `type` if one is given. */
export function untilItWaits(shop: StripeShop, type?: "advisory"): Promise<unknown> {
  return untilWaiting(shop, type ? `wait_event = '${type}'` : "true")
}

/** Resolves when a statement of the shop that contains `part` waits for a database lock. */
export function untilStatementWaits(shop: StripeShop, part: string): Promise<unknown> {
  return untilWaiting(shop, `query LIKE '%${part}%'`)
}

function untilWaiting(shop: StripeShop, which: string): Promise<unknown> {
  const where = `wait_event_type = 'Lock' AND ${which}`
  return shop.until(`the shop to wait in the database (${where})`, async () => {
    const waiting = await shop.count(`pg_stat_activity WHERE datname = current_database() AND ${where}`)
    return waiting > 0 || undefined
  })
}

/** Starts a request of a buyer's page that waits, and returns when the shop has looked at its payment for the first time. */
export async function startWaiting<T>(
  shop: StripeShop,
  start: () => Promise<T>,
): Promise<{ answer: Promise<T> }> {
  const unlock = await hold(shop, "LOCK TABLE stripe_payment IN ACCESS EXCLUSIVE MODE")
  const answer = start()
  await untilStatementWaits(shop, 'payment.session_hash, "order".display_id')
  await unlock()
  return { answer }
}

/** Holds up the commits that make `when`, a condition on a payment's row, come true. The returned function lets them through. */
export async function holdCommit(shop: StripeShop, when: string): Promise<() => Promise<void>> {
  const client = await shop.db.connect()
  await client.query("SELECT pg_advisory_lock(1)")
  await client.query(`
    CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql
      AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER stop_here AFTER UPDATE ON stripe_payment DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION stop_here()`)
  return async () => {
    await client.query("SELECT pg_advisory_unlock(1)")
    await client.query("DROP TRIGGER stop_here ON stripe_payment; DROP FUNCTION stop_here")
    client.release()
  }
}

/** Ends all locks of the Locking Module, as if their holders had been paused for longer than the ttl. */
export async function endLocks(shop: StripeShop): Promise<void> {
  const locks = new Locks(postgresStore({ connectionString: shop.database.url }))
  for (const { key } of await locks.inspect()) await locks.forceRelease(key)
  await locks.close()
}

/** The claims and locks of a dead process end by themselves; the tests needn't sit them out each time. */
export async function forgetTheDead(shop: StripeShop): Promise<void> {
  await shop.rows("UPDATE stripe_payment SET claimed_until = NULL")
  await shop.rows("DELETE FROM stripe_lease")
  await endLocks(shop)
}

/** Ends the commits that `holdCommit` holds up: the process that asked for them is dead. */
export async function loseCommits(shop: StripeShop): Promise<void> {
  await shop.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'advisory'")
}

/** Lets no process decide until the returned function is called: what comes meanwhile is due together then. */
export async function holdDeciding(shop: StripeShop): Promise<() => Promise<void>> {
  await shop.rows(`
    INSERT INTO stripe_lease (id, holder, expires_at) VALUES ('decide', 'the test', now() + interval '1 hour')
    ON CONFLICT (id) DO UPDATE SET holder = EXCLUDED.holder, expires_at = EXCLUDED.expires_at`)
  return async () => {
    await shop.rows("DELETE FROM stripe_lease WHERE id = 'decide' AND holder = 'the test'")
  }
}

/** Makes the process with this pid the one that decides. */
export async function letDecide(shop: StripeShop, pid: number): Promise<void> {
  const worker = `SELECT holder FROM stripe_lease WHERE id LIKE 'worker:%-${pid}-%'`
  await shop.until("the worker to have said that it lives", async () => {
    const [given] = await shop.rows(`
      INSERT INTO stripe_lease (id, holder, expires_at) SELECT 'decide', holder, now() + interval '1 minute' FROM (${worker}) AS worker
      ON CONFLICT (id) DO UPDATE SET holder = EXCLUDED.holder, expires_at = EXCLUDED.expires_at RETURNING id`)
    return given
  })
}

/** The process behind a worker's name, as it stands in claims, leases and on timelines. */
export function pidOf(worker: string | null | undefined): number {
  return Number(worker?.split("-").at(-2))
}

/** The process stands still until the returned function is called; its running statements go on in the database. */
export function freeze(pid: number): () => void {
  process.kill(pid, "SIGSTOP")
  return () => process.kill(pid, "SIGCONT")
}
