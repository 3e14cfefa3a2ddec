import { BY_INDEX, PLANNING, takeAdvisoryLock } from "./entry.js"
import { type Names, sameKey } from "./names.js"
import { LONGEST_FORGOTTEN } from "./rules.js"

/** The most frequent batches, without the general case: where anything else has to be done, they leave it to `execute`. */
export const fastPaths = (names: Names) => `${single(names)}${handOff(names)}`

/** Whether nothing has to be done but the command itself, which is nearly always so where one comes at a time. */
const isQuiet = (schema: string) => `e.one AND e.recovering_until IS NULL
      AND NOT EXISTS (SELECT FROM ${schema}.queue q WHERE q.due <= now)
      AND NOT EXISTS (SELECT FROM ${schema}.session s WHERE s.session = caller)
      AND NOT EXISTS (SELECT FROM ${schema}.session s WHERE s.wake_at IS NOT NULL)`

const releaseByExecute = (
  schema: string,
  hasWaiting: boolean,
) => `${schema}.execute(caller, this_turn, NULL, ${hasWaiting}, 0,
    '{}', '{}', '{}', '{}', '{}', ARRAY[1], ARRAY[target], ARRAY[lease_id], ARRAY[held_token], '{}', '{}',
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')`

/**
 * The same as `execute` for one request or one release of one key, by one statement where it is quiet: that takes half of
 * the time. Where it isn't quiet, that statement changes nothing, and `execute` does it.
 */
const single = (names: Names) => `
-- Returns the number of the request, or the result of \`execute\`.
CREATE OR REPLACE FUNCTION ${names.schema}.acquire_one(
  caller text, this_turn bigint, asked_seq bigint, target text, lease_id text, lease_owner text,
  lease_ttl double precision, may_wait boolean
) RETURNS text LANGUAGE plpgsql ${BY_INDEX} AS $$
DECLARE
  now double precision;
  given bigint;
BEGIN${takeAdvisoryLock(names)}
  INSERT INTO ${names.schema}.queue
    SELECT target, false, e.next, e.next, e.next, true, now + lease_ttl, now, lease_ttl, false, false,
      caller, asked_seq, lease_id, lease_owner
    FROM (SELECT e.*, nextval('${names.schema}.number') AS next FROM ${names.schema}.epoch e) e
    WHERE ${isQuiet(names.schema)} AND e.ttl >= lease_ttl AND e.number >= e.next AND lease_ttl > 0
      AND NOT EXISTS (SELECT FROM ${names.schema}.queue q WHERE ${sameKey("q", "target")})
    RETURNING number INTO given;
  IF FOUND THEN RETURN given; END IF;
  -- A warm-up, which only makes the plan.
  IF lease_ttl = 0 THEN RETURN NULL; END IF;
  RETURN ${names.schema}.execute(caller, this_turn, NULL, false,
    CASE WHEN lease_ttl <= ${LONGEST_FORGOTTEN} THEN lease_ttl ELSE 0 END,
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
    ARRAY[1], ARRAY[target], ARRAY[asked_seq], ARRAY[lease_id], ARRAY[lease_owner], ARRAY[lease_ttl], ARRAY[may_wait],
    ARRAY[true], '{}', '{}');
END $$;

-- Returns true, or the result of \`execute\`.
CREATE OR REPLACE FUNCTION ${names.schema}.release_one(
  caller text, this_turn bigint, target text, lease_id text, held_token bigint
) RETURNS text LANGUAGE plpgsql ${BY_INDEX} AS $$
DECLARE
  now double precision;
BEGIN${takeAdvisoryLock(names)}
  DELETE FROM ${names.schema}.queue l USING ${names.schema}.epoch e
    WHERE ${sameKey("l", "target")} AND NOT l.waits AND l.claimed AND l.id = lease_id
      AND (held_token IS NULL OR l.lease = held_token) AND ${isQuiet(names.schema)};
  IF FOUND THEN RETURN 'true'; END IF;
  RETURN ${releaseByExecute(names.schema, false)};
END $$;
`

/** A hand-off, the most frequent batch on a hot key, takes half of the time that `execute` takes for it. */
const handOff = (names: Names) => `
-- The same as \`execute\` for the release of one key by a session that waits, where the next in the queue wants no other key.
-- Returns the result as JSON, without what is empty.
CREATE OR REPLACE FUNCTION ${names.schema}.hand_off(
  caller text, this_turn bigint, target text, lease_id text, held_token bigint
) RETURNS text LANGUAGE plpgsql ${PLANNING} AS $$
DECLARE
  now double precision;
  first record;
  is_waiting boolean;
  wake_in double precision;
BEGIN${takeAdvisoryLock(names)}
  SELECT q.number, q.session, q.seq INTO first FROM (
      SELECT w.* FROM ${names.schema}.queue w WHERE ${sameKey("w", "target")} AND w.waits
      ORDER BY left(w.key, 512), w.waits, w.number LIMIT 1) q
    WHERE NOT q.several AND q.token = q.number
      AND NOT EXISTS (SELECT FROM ${names.schema}.queue h WHERE ${sameKey("h", "target")} AND NOT h.waits
        AND (h.id <> lease_id OR NOT h.claimed OR h.lease <> held_token))
      AND NOT EXISTS (SELECT FROM ${names.schema}.queue o WHERE o.due <= now)
      AND NOT EXISTS (SELECT FROM ${names.schema}.queue u WHERE u.session = caller AND NOT u.waits AND NOT u.claimed)
      AND EXISTS (SELECT FROM ${names.schema}.epoch e WHERE e.one AND e.recovering_until IS NULL)
      AND EXISTS (SELECT FROM ${names.schema}.session s WHERE s.session = caller AND s.wake_at IS NOT NULL
        AND s.ended IS NULL AND (s.given_up IS NULL OR s.given_up < this_turn));
  IF FOUND THEN DELETE FROM ${names.schema}.queue l WHERE ${sameKey("l", "target")} AND NOT l.waits; END IF;
  IF NOT FOUND THEN
    RETURN ${releaseByExecute(names.schema, true)};
  END IF;
  PERFORM ${names.schema}.grant(first.number, first.session = caller, false, target, now);
  IF first.session <> caller THEN PERFORM pg_notify('holdfast_' || first.session, '0'); END IF;
  is_waiting := EXISTS (SELECT FROM ${names.schema}.queue q WHERE q.session = caller AND NOT q.claimed);
  wake_in := ${names.schema}.schedule_wakeups(caller, now, is_waiting, NULL) - now;
  IF NOT is_waiting THEN PERFORM ${names.schema}.acknowledged(caller, false); END IF;
  RETURN concat('{"released":[1],"granted":[', CASE WHEN first.session = caller THEN concat('[', first.seq, ',', first.number, ']') END,
    '],"wakeIn":', CASE WHEN wake_in < 'Infinity' THEN wake_in::text ELSE 'null' END, '}');
END $$;
`
