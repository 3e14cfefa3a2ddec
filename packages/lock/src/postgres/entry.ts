import type { Names } from "./names.js"

/**
 * Plans that keep to the indexes, whatever the size of the tables when they are made. A bitmap scan marks no dead entry
 * of an index as dead, so that each one read all that had been there since the last VACUUM: 800 pairs of acquire and
 * release a second after 15,000, in place of 4,000.
 */
export const BY_INDEX = "SET enable_seqscan = off SET enable_bitmapscan = off"

/** For what joins more than one table. */
export const PLANNING = `${BY_INDEX} SET enable_hashjoin = off SET enable_mergejoin = off
  SET jit = off SET plan_cache_mode = force_generic_plan`

/**
 * Every function that a session calls begins with this: it takes the advisory lock, then reads the clock. Each later
 * statement sees what the lock's last holder committed. That is so at read committed only: at any other level all of
 * them see the tables as they were before the lock, and two callers held the same key.
 */
export const takeAdvisoryLock = ({ advisoryLock, clock }: Names) => `
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'Holdfast locks at read committed only, not at %', current_setting('transaction_isolation')
      USING ERRCODE = 'HF001', HINT = 'Set default_transaction_isolation for the role or the connection.';
  END IF;
  PERFORM pg_advisory_xact_lock(${advisoryLock});
  PERFORM set_config('synchronous_commit', 'off', true);
  now := ${clock};`
