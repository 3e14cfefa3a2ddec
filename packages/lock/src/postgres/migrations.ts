import type { Names } from "./names.js"

/**
 * Of the tables and functions together; a process that finds a lower one upgrades it to its own. Any change needs a new
 * one, and a migration where tables change, or where a function gets other parameters.
 */
export const VERSION = 7

/** The SQLSTATE of an upgrade that finds a newer version than its own. */
export const NEWER = "HF003"

/** What has to be changed in a schema of an earlier version than `to`. What `tables` creates is not repeated here. */
const MIGRATIONS: readonly { readonly to: number; readonly sql: (schema: string) => string }[] = [
  {
    to: 2,
    // What was known of sessions is in one table from then on. Who waited then queues again, or is passed over.
    sql: (schema) => `
    DROP TABLE ${schema}.waiting, ${schema}.ended, ${schema}.given_up;
    ALTER TABLE ${schema}.horizon DROP COLUMN version;
    ALTER TABLE ${schema}.epoch ADD COLUMN ttl double precision, ADD COLUMN number bigint;
    UPDATE ${schema}.epoch e SET ttl = h.ttl, number = h.number FROM ${schema}.horizon h;
    ALTER TABLE ${schema}.epoch ALTER COLUMN ttl SET NOT NULL, ALTER COLUMN number SET NOT NULL;`,
  },
  {
    to: 5,
    // Words of its own gave way to the field's. CREATE OR REPLACE can't rename the parameters of a function.
    sql: (schema) => `
    DROP TRIGGER IF EXISTS lasting_begins ON ${schema}.queue;
    DROP TRIGGER IF EXISTS lasting_changes ON ${schema}.queue;
    DROP TRIGGER IF EXISTS lasting_ends ON ${schema}.queue;
    FOR old IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = to_regnamespace('${schema}') LOOP
      EXECUTE format('DROP FUNCTION %s', old);
    END LOOP;
    IF to_regclass('${schema}.session') IS NOT NULL THEN
      ALTER TABLE ${schema}.session RENAME COLUMN ask_at TO wake_at;
      ALTER INDEX ${schema}.session_ask_at RENAME TO session_wake_at;
    END IF;
    ALTER TABLE ${schema}.epoch RENAME COLUMN barred_until TO recovering_until;`,
  },
  {
    to: 6,
    // The index of what waits holds the numbers of the requests as well.
    sql: (schema) => `DROP INDEX ${schema}.queue_unclaimed;`,
  },
  {
    to: 7,
    // A request may say what its caller holds. No function has other parameters for that: with DROP FUNCTION the batches
    // of version 6 that waited for the advisory lock just then would have failed.
    sql: (schema) => `
    ALTER TABLE ${schema}.queue ADD COLUMN holds bigint[];
    ALTER TABLE ${schema}.lasting ADD COLUMN holds bigint[];`,
  },
]

/**
 * Brings the tables of an earlier version up to this one, keeping leases, tokens and fences; does nothing where there
 * are none. Fails where the version is newer: two processes may upgrade one after the other.
 */
export const migrate = ({ schema }: Names) => `
DO $migrate$
DECLARE
  found integer;
  old regprocedure;
BEGIN
  IF to_regprocedure('${schema}.version()') IS NULL THEN RETURN; END IF;
  EXECUTE 'SELECT ${schema}.version()' INTO found;
  IF found > ${VERSION} THEN
    RAISE EXCEPTION 'The schema ${schema} is of version %, newer than ${VERSION}', found USING ERRCODE = '${NEWER}';
  END IF;${MIGRATIONS.map(
    ({ to, sql }) => `
  IF found < ${to} THEN
    ${sql(schema)}
  END IF;`,
  ).join("")}
END $migrate$;
`
