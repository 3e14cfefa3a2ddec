import pg from "pg"
import { fence, installFence, LockFencedError } from "../src/fence.ts"
import type { Lease } from "../src/index.ts"

/** A write that was accepted. */
export interface Write {
  readonly key: string
  readonly token: number
  readonly lease: string
}

/** What the lock is there to guard: rows of a Postgres that nothing happens to, behind the fence. */
export class Guard {
  readonly #pool: pg.Pool

  constructor(connectionString: string) {
    this.#pool = new pg.Pool({ connectionString, max: 3 })
    this.#pool.on("error", () => undefined)
  }

  async install(): Promise<void> {
    await this.#pool.query("CREATE TABLE writes (place bigserial, key text, token bigint, lease text)")
    await installFence((sql) => this.#pool.query(sql).then(({ rows }) => rows))
  }

  /** Writes to all that the lease is for. Whether it was accepted. */
  async write(lease: Lease): Promise<boolean> {
    const client = await this.#pool.connect()
    try {
      await client.query("BEGIN")
      await fence(client, lease)
      const tokens = lease.keys.map((key) => lease.tokenOf(key))
      await client.query({
        name: "write",
        text: "INSERT INTO writes (key, token, lease) SELECT key, token, $3 FROM unnest($1::text[], $2::bigint[]) w(key, token)",
        values: [lease.keys, tokens, lease.id],
      })
      await client.query("COMMIT")
      return true
    } catch (error) {
      await client.query("ROLLBACK")
      if (error instanceof LockFencedError) return false
      throw error
    } finally {
      client.release()
    }
  }

  /** All that was accepted. The place is drawn behind the fence, so that it tells the order of what shares a key. */
  async writes(): Promise<Write[]> {
    const { rows } = await this.#pool.query("SELECT key, token, lease FROM writes ORDER BY place")
    return rows.map(({ key, token, lease }) => ({ key, lease, token: Number(token) }))
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }
}
