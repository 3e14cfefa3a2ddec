import { CLAIM_WINDOW } from "../store.js"
import { type Names, sameKey } from "./names.js"

/** The longest ttl, in ms, that recovery after a crash waits for. Longer leases are written to the disk. */
export const LONGEST_FORGOTTEN = 60_000

/**
 * The rules of `lock-table.ts` that `execute` consists of. They are called under the advisory lock, so that nothing
 * runs beside them; each statement sees what was committed before the lock was taken.
 */
export const rules = ({ schema }: Names) => `
-- After a crash: a forgotten lease may be held for as long as its ttl, so nothing is granted before.
CREATE OR REPLACE FUNCTION ${schema}.recover(now double precision) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ${schema}.epoch (ttl, number, recovering_until)
    SELECT h.ttl, h.number, nullif(now + h.ttl, now) FROM ${schema}.horizon h;
  -- Into the queue, whose trigger writes them anew.
  WITH kept AS (DELETE FROM ${schema}.lasting l RETURNING l.*)
  INSERT INTO ${schema}.queue SELECT * FROM kept WHERE kept.due > now;
  -- The clock alone would do, but for one that has been set back.
  PERFORM setval('${schema}.number', greatest(h.number, (now * 1000)::bigint)) FROM ${schema}.horizon h;
END $$;

-- Removes what has expired. Returns the keys whose first waiting request may now be granted.
CREATE OR REPLACE FUNCTION ${schema}.expire(now double precision) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  silent text[];
  left_keys text[];
BEGIN
  -- A session that didn't collect its grant in time is taken for dead: all its waiting requests are dropped too.
  silent := ARRAY(SELECT DISTINCT q.session FROM ${schema}.queue q WHERE q.due <= now AND NOT q.claimed);
  WITH gone AS (DELETE FROM ${schema}.queue q WHERE q.due <= now RETURNING q.key)
  SELECT array_agg(DISTINCT gone.key) INTO left_keys FROM gone;
  IF cardinality(silent) > 0 THEN
    left_keys := left_keys || ${schema}.drop_sessions(silent);
  END IF;
  UPDATE ${schema}.epoch SET recovering_until = NULL WHERE recovering_until <= now;
  IF FOUND THEN
    left_keys := left_keys || ARRAY(SELECT DISTINCT q.key FROM ${schema}.queue q WHERE q.waits);
  END IF;
  RETURN left_keys;
END $$;

-- Removes what the sessions have not claimed. Returns its keys.
CREATE OR REPLACE FUNCTION ${schema}.drop_sessions(silent text[]) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  left_keys text[];
BEGIN
  WITH gone AS (DELETE FROM ${schema}.queue q WHERE q.session = ANY (silent) AND NOT q.claimed RETURNING q.key)
  SELECT array_agg(DISTINCT gone.key) INTO left_keys FROM gone;
  -- From this it learns that its requests were dropped: see \`lost\` in commands.ts.
  UPDATE ${schema}.session s SET wake_at = NULL WHERE s.session = ANY (silent);
  RETURN left_keys;
END $$;

-- Grants what may be granted on keys whose queues have changed. Returns the numbers of what \`caller\` was granted,
-- which it collects at once; the other sessions are woken, and have the claim window to collect.
CREATE OR REPLACE FUNCTION ${schema}.advance(caller text, now double precision, changed text[])
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  changed_key text;
  first record;
  granted bigint[] := '{}';
BEGIN
  FOREACH changed_key IN ARRAY changed LOOP
    SELECT q.number, q.session, q.several, q.token INTO first FROM ${schema}.queue q
      WHERE ${sameKey("q", "changed_key")} AND q.waits
      ORDER BY left(q.key, 512), q.waits, q.number LIMIT 1;
    CONTINUE WHEN NOT FOUND;
    CONTINUE WHEN ${schema}.is_blocked(first.number, first.several, changed_key, first.token);
    PERFORM ${schema}.grant(first.number, first.session = caller, first.several, changed_key, now);
    IF first.session = caller THEN granted := granted || first.number;
    ELSE PERFORM pg_notify('holdfast_' || first.session, '0');
    END IF;
  END LOOP;
  RETURN granted;
END $$;

-- Whether another request is before a waiting one, on any of its keys. On \`first_key\` it is the first that waits.
CREATE OR REPLACE FUNCTION ${schema}.is_blocked(
  request bigint, has_several boolean, first_key text, first_token bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  holder bigint;
BEGIN
  SELECT h.token INTO holder FROM ${schema}.queue h
    WHERE ${sameKey("h", "first_key")} AND NOT h.waits LIMIT 1;
  IF holder <> first_token THEN RETURN true; END IF;
  IF NOT has_several THEN RETURN false; END IF;
  RETURN EXISTS (
    SELECT FROM ${schema}.queue q
    LEFT JOIN LATERAL (
      SELECT h.token FROM ${schema}.queue h
      WHERE ${sameKey("h", "q.key")} AND NOT h.waits LIMIT 1
    ) holds ON true
    WHERE q.number = request AND CASE
      WHEN holds.token IS NOT NULL THEN holds.token <> q.token
      ELSE EXISTS (
        SELECT FROM ${schema}.queue w
        WHERE ${sameKey("w", "q.key")} AND w.waits AND w.number < q.number)
    END);
END $$;

CREATE OR REPLACE FUNCTION ${schema}.grant(
  request bigint, to_caller boolean, has_several boolean, first_key text, now double precision
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  greatest_token bigint;
  shares boolean;
BEGIN
  -- A lease that a request meant to re-enter may have ended in the meantime: then it has a number of its own.
  WITH turn AS (
    UPDATE ${schema}.queue q SET
      waits = false, since = now, claimed = to_caller,
      due = now + CASE WHEN to_caller THEN q.ttl ELSE least(q.ttl, ${CLAIM_WINDOW}) END,
      lasting = to_caller AND q.ttl > ${LONGEST_FORGOTTEN},
      token = CASE WHEN q.token = q.number THEN q.number ELSE coalesce((
        SELECT h.token FROM ${schema}.queue h
        WHERE ${sameKey("h", "q.key")} AND NOT h.waits LIMIT 1), q.number) END,
      lease = q.number
    WHERE q.number = request
    RETURNING q.token)
  SELECT max(turn.token), bool_or(turn.token <> request) INTO greatest_token, shares FROM turn;
  IF shares THEN
    UPDATE ${schema}.queue q SET lease = greatest_token WHERE q.number = request;
    PERFORM ${schema}.take_over(request, now);
  END IF;
END $$;

-- The same id again extends: the newer lease takes over the keys that the older one held.
CREATE OR REPLACE FUNCTION ${schema}.take_over(newer bigint, now double precision) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  older record;
BEGIN
  FOR older IN
    DELETE FROM ${schema}.queue o USING ${schema}.queue n
    WHERE n.number = newer AND ${sameKey("o", "n.key")} AND NOT o.waits AND o.id = n.id AND o.number <> newer
    RETURNING o.session, o.seq, o.lease, o.claimed
  LOOP
    IF NOT older.claimed THEN
      PERFORM ${schema}.note_end(older.session, older.seq, older.lease, false, now);
    END IF;
  END LOOP;
END $$;

-- Keeps for a session that another one has ended its lease, until its next call.
CREATE OR REPLACE FUNCTION ${schema}.note_end(
  ended_session text, seq bigint, lease bigint, taken boolean, now double precision
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ${schema}.session AS s (session, ended, at) VALUES (ended_session, ARRAY[json_build_array(seq, lease, taken)], now)
    ON CONFLICT (session) DO UPDATE SET ended = s.ended || excluded.ended, at = now;
  -- Sessions that have died in the meantime never call again.
  DELETE FROM ${schema}.session s WHERE s.wake_at IS NULL AND s.at < now - 86400000;
END $$;

-- The answer reports all that was kept for the session. The turn that it gave up stays known until it is closed.
CREATE OR REPLACE FUNCTION ${schema}.acknowledged(caller text, is_waiting boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM ${schema}.session s WHERE s.session = caller AND NOT is_waiting AND s.given_up IS NULL;
  IF NOT FOUND THEN
    UPDATE ${schema}.session s SET ended = NULL, wake_at = CASE WHEN is_waiting THEN s.wake_at END
      WHERE s.session = caller;
  END IF;
END $$;

-- Ends leases. Returns their members of the batch, once for each key that was held, and the keys that others wait for.
CREATE OR REPLACE FUNCTION ${schema}.release(
  now double precision, release_of int[], release_key text[], release_id text[], release_token bigint[],
  OUT released int[], OUT left_keys text[]
) LANGUAGE plpgsql AS $$
DECLARE
  unclaimed json;
BEGIN
  WITH gone AS (
    DELETE FROM ${schema}.queue q USING unnest(release_of, release_key, release_id, release_token) r(of, key, id, token)
    WHERE ${sameKey("q", "r.key")} AND NOT q.waits AND q.id = r.id AND (r.token IS NULL OR q.lease = r.token)
    RETURNING r.of, q.key, q.session, q.seq, q.lease, q.claimed)
  SELECT array_agg(g.of),
    array_agg(g.key) FILTER (WHERE EXISTS (SELECT FROM ${schema}.queue w WHERE ${sameKey("w", "g.key")} AND w.waits)),
    json_agg(g.*) FILTER (WHERE NOT g.claimed)
    INTO released, left_keys, unclaimed FROM gone g;
  IF unclaimed IS NOT NULL THEN
    PERFORM ${schema}.note_end(u.session, u.seq, u.lease, false, now)
      FROM json_to_recordset(unclaimed) u(session text, seq bigint, lease bigint);
  END IF;
END $$;

-- Reserves what a crash must not forget. The answer waits for the disk then.
CREATE OR REPLACE FUNCTION ${schema}.widen(longest_ttl double precision, last_number bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'on', true);
  UPDATE ${schema}.horizon h SET ttl = greatest(h.ttl, longest_ttl), number = greatest(h.number, last_number);
  UPDATE ${schema}.epoch e SET ttl = h.ttl, number = h.number FROM ${schema}.horizon h;
END $$;

-- Makes leases end at their ttl from now. Returns the members of which all keys were held; of the others, nothing
-- is changed. A renewal covers the whole lease, and the last one in the batch counts.
CREATE OR REPLACE FUNCTION ${schema}.renew(
  now double precision,
  renew_of int[], renew_key text[], renew_id text[], renew_token bigint[], renew_ttl double precision[]
) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
  renewed int[];
BEGIN
  WITH found AS (
    SELECT r.of, r.ttl, (
      SELECT q.number FROM ${schema}.queue q
      WHERE ${sameKey("q", "r.key")} AND NOT q.waits
        AND q.id = r.id AND (r.token IS NULL OR q.lease = r.token) LIMIT 1) AS number
    FROM unnest(renew_of, renew_key, renew_id, renew_token, renew_ttl) r(of, key, id, token, ttl)),
  held AS (SELECT f.of FROM found f GROUP BY f.of HAVING bool_and(f.number IS NOT NULL)),
  latest AS (
    SELECT DISTINCT ON (f.number) f.number, f.ttl FROM found f WHERE f.of IN (SELECT h.of FROM held h)
    ORDER BY f.number, f.of DESC),
  renewing AS (
    UPDATE ${schema}.queue q SET due = now + l.ttl, lasting = l.ttl > ${LONGEST_FORGOTTEN}
    FROM latest l WHERE q.number = l.number)
  SELECT array_agg(h.of) INTO renewed FROM held h;
  RETURN renewed;
END $$;

-- Makes every waiting session call again no later than the first lease ends. Returns when \`caller\` has to, if it
-- waits. A time that it already knows it keeps, as long as it is soon enough: a row that is written for each grant
-- would cost more than a call at the wrong time.
CREATE OR REPLACE FUNCTION ${schema}.schedule_wakeups(
  caller text, now double precision, is_waiting boolean, recovering_until double precision
) RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
  first_due double precision;
  known_time double precision;
BEGIN
  SELECT q.due INTO first_due FROM ${schema}.queue q WHERE q.due IS NOT NULL ORDER BY q.due LIMIT 1;
  first_due := least(first_due, recovering_until, 'Infinity');
  IF EXISTS (SELECT FROM ${schema}.session s WHERE s.wake_at > first_due AND s.session <> caller) THEN
    -- A subquery, not an EXISTS: as a join that would look at all who wait.
    WITH late AS (
      UPDATE ${schema}.session s SET wake_at = first_due
      WHERE s.wake_at > first_due AND s.session <> caller
        AND (SELECT true FROM ${schema}.queue q WHERE q.session = s.session AND NOT q.claimed AND q.waits LIMIT 1)
      RETURNING s.session)
    SELECT count(pg_notify('holdfast_' || l.session, (first_due - now)::text)) INTO known_time FROM late l;
  END IF;
  IF NOT is_waiting THEN RETURN NULL; END IF;
  SELECT s.wake_at INTO known_time FROM ${schema}.session s WHERE s.session = caller;
  IF known_time > now AND known_time <= first_due THEN RETURN known_time; END IF;
  INSERT INTO ${schema}.session (session, wake_at, at) VALUES (caller, first_due, now)
    ON CONFLICT (session) DO UPDATE SET wake_at = excluded.wake_at, at = now;
  RETURN first_due;
END $$;

-- What was granted, as JSON: a list of seq and token, and the tokens of the keys where re-entry made them differ.
CREATE OR REPLACE FUNCTION ${schema}.grants_of(granted bigint[]) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT json_agg(CASE
    WHEN lease.differ THEN json_build_array(lease.seq, lease.token, lease.tokens)
    ELSE json_build_array(lease.seq, lease.token) END)
  FROM (
    SELECT q.seq, max(q.token) AS token, bool_or(q.token <> q.number) AS differ, json_object_agg(q.key, q.token) AS tokens
    FROM ${schema}.queue q WHERE q.number = ANY (granted) GROUP BY q.number, q.seq ORDER BY q.number
  ) lease);
END $$;

-- Leases that last are copied to the disk, and their ends as well.
CREATE OR REPLACE FUNCTION ${schema}.keep_lasting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'on', true);
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM ${schema}.lasting l WHERE l.number = OLD.number AND l.key = OLD.key;
  END IF;
  IF TG_OP <> 'DELETE' AND NEW.lasting THEN INSERT INTO ${schema}.lasting SELECT NEW.*; END IF;
  RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS lasting_begins ON ${schema}.queue;
DROP TRIGGER IF EXISTS lasting_changes ON ${schema}.queue;
DROP TRIGGER IF EXISTS lasting_ends ON ${schema}.queue;
CREATE TRIGGER lasting_begins AFTER INSERT ON ${schema}.queue FOR EACH ROW
  WHEN (NEW.lasting) EXECUTE FUNCTION ${schema}.keep_lasting();
CREATE TRIGGER lasting_changes AFTER UPDATE ON ${schema}.queue FOR EACH ROW
  WHEN (NEW.lasting OR OLD.lasting) EXECUTE FUNCTION ${schema}.keep_lasting();
CREATE TRIGGER lasting_ends AFTER DELETE ON ${schema}.queue FOR EACH ROW
  WHEN (OLD.lasting) EXECUTE FUNCTION ${schema}.keep_lasting();
`
