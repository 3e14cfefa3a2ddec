import pg from "pg"

/** A write that the guarded resource took, as it tells of it itself: `version` counts the writes to a key. */
export interface Write {
  readonly key: string
  readonly version: number
  readonly token: number
  readonly lease: string
}

const TABLES = `
CREATE TABLE guarded (key text PRIMARY KEY, token bigint NOT NULL, version bigint NOT NULL) WITH (fillfactor = 10);
CREATE TABLE writes (key text, version bigint, token bigint, lease text);
`

/** Refuses an older token than the newest seen, in the statement that writes. */
const WRITE = `
WITH row AS (
  INSERT INTO guarded AS g VALUES ($1, $2, 1)
  ON CONFLICT (key) DO UPDATE SET token = excluded.token, version = g.version + 1 WHERE g.token <= excluded.token
  RETURNING key, version, token)
INSERT INTO writes SELECT key, version, token, $3 FROM row
`

/** What the lock is there to guard: rows of a Postgres that nothing happens to. */
export class Guard {
  readonly #pool: pg.Pool

  constructor(connectionString: string) {
    this.#pool = new pg.Pool({ connectionString, max: 3 })
    this.#pool.on("error", () => undefined)
  }

  async install(): Promise<void> {
    await this.#pool.query(TABLES)
  }

  /** Whether the write was accepted. */
  async write(key: string, token: bigint, lease: string): Promise<boolean> {
    const { rowCount } = await this.#pool.query({ name: "write", text: WRITE, values: [key, token, lease] })
    return rowCount === 1
  }

  /** All that was accepted, each key's in the order in which it was. */
  async writes(): Promise<Write[]> {
    const { rows } = await this.#pool.query("SELECT * FROM writes ORDER BY key, version")
    return rows.map(({ key, version, token, lease }) => ({
      ...{ key, lease },
      version: Number(version),
      token: Number(token),
    }))
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }
}
