import type { Database } from "./payments"

/** How far one of Stripe's lists was read. */
export interface Cursor {
  /** nothing from before is read */
  since: Date
  /** when Stripe made the newest that was read */
  position: Date
}

/**
 * The cursor of this name. A new one begins at the newest event that is stored, for a store that had the plugin before
 * there were cursors; in a store without events, at the present.
 */
export async function readCursor(db: Database, name: string): Promise<Cursor> {
  const known = await db.raw(`SELECT since, position FROM stripe_cursor WHERE id = ?`, [name])
  if (known.rows[0]) {
    return known.rows[0]
  }
  const made = await db.raw(
    `INSERT INTO stripe_cursor AS cursor (id, since, position)
     SELECT :name, start, start
       FROM (SELECT LEAST(clock_timestamp(), COALESCE(max(created), clock_timestamp())) AS start FROM stripe_event) AS begin
     ON CONFLICT (id) DO UPDATE SET updated_at = now() RETURNING cursor.since, cursor.position`,
    { name },
  )
  return made.rows[0]
}

/** Moves the cursor on, and never back: another process may have been faster. */
export async function moveCursor(db: Database, name: string, position: Date): Promise<void> {
  await db.raw(
    `UPDATE stripe_cursor SET position = GREATEST(position, :position), updated_at = now() WHERE id = :name`,
    { name, position },
  )
}
