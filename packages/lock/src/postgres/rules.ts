import { CLAIM_WINDOW } from "../store.js"
import { type Names, sameKey } from "./names.js"

/** The longest ttl, in ms, that a restart after a crash is waited for. Longer leases are written to the disk. */
export const LONGEST_FORGOTTEN = 60_000

/**
 * The rules of `lock-table.ts` that `ask` is put together from. They are called under the latch, so that nothing
 * happens beside them; each statement sees what was committed before the latch was taken.
 */
export const rules = ({ schema }: Names) => `
-- After a crash: what it has forgotten may be held for as long as its ttl, so nobody else gets anything before.
CREATE OR REPLACE FUNCTION ${schema}.recover(now double precision) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ${schema}.epoch (ttl, number, barred_until)
    SELECT h.ttl, h.number, nullif(now + h.ttl, now) FROM ${schema}.horizon h;
  -- Into the queue, whose trigger writes them anew.
  WITH kept AS (DELETE FROM ${schema}.lasting l RETURNING l.*)
  INSERT INTO ${schema}.queue SELECT * FROM kept WHERE kept.due > now;
  -- The clock alone would do, but for one that has been set back.
  PERFORM setval('${schema}.number', greatest(h.number, (now * 1000)::bigint)) FROM ${schema}.horizon h;
END $$;

-- Lets the time pass: what has expired leaves. Returns the keys on which somebody may now be first.
CREATE OR REPLACE FUNCTION ${schema}.expire(now double precision) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  silent text[];
  left_keys text[];
BEGIN
  -- A session that didn't come when it was its turn is taken for dead: all that it waits for goes too.
  silent := ARRAY(SELECT DISTINCT q.session FROM ${schema}.queue q WHERE q.due <= now AND NOT q.claimed);
  WITH gone AS (DELETE FROM ${schema}.queue q WHERE q.due <= now RETURNING q.key)
  SELECT array_agg(DISTINCT gone.key) INTO left_keys FROM gone;
  IF cardinality(silent) > 0 THEN
    left_keys := left_keys || ${schema}.drop_sessions(silent);
  END IF;
  UPDATE ${schema}.epoch SET barred_until = NULL WHERE barred_until <= now;
  IF FOUND THEN
    left_keys := left_keys || ARRAY(SELECT DISTINCT q.key FROM ${schema}.queue q WHERE q.waits);
  END IF;
  RETURN left_keys;
END $$;

-- What the sessions have not claimed leaves. Returns the keys that it leaves.
CREATE OR REPLACE FUNCTION ${schema}.drop_sessions(silent text[]) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  left_keys text[];
BEGIN
  WITH gone AS (DELETE FROM ${schema}.queue q WHERE q.session = ANY (silent) AND NOT q.claimed RETURNING q.key)
  SELECT array_agg(DISTINCT gone.key) INTO left_keys FROM gone;
  -- It learns from this that it waits no more: see \`lost\` in operations.ts.
  UPDATE ${schema}.session s SET ask_at = NULL WHERE s.session = ANY (silent);
  RETURN left_keys;
END $$;

-- Grants what may be granted on keys that somebody has left. Returns the numbers of what \`asker\` was granted,
-- who learns of it at once; the others are woken, and have the claim window to come.
CREATE OR REPLACE FUNCTION ${schema}.advance(asker text, now double precision, changed text[])
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
    PERFORM ${schema}.grant_turn(first.number, first.session = asker, first.several, changed_key, now);
    IF first.session = asker THEN granted := granted || first.number;
    ELSE PERFORM pg_notify('holdfast_' || first.session, '0');
    END IF;
  END LOOP;
  RETURN granted;
END $$;

-- Whether somebody is before a request that waits, on any of its keys. On \`first_key\` it is the first who waits.
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

CREATE OR REPLACE FUNCTION ${schema}.grant_turn(
  request bigint, to_asker boolean, has_several boolean, first_key text, now double precision
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  greatest_token bigint;
  shares boolean;
BEGIN
  -- A lease that a request meant to re-enter may have ended in the meantime: then it has a number of its own.
  WITH turn AS (
    UPDATE ${schema}.queue q SET
      waits = false, since = now, claimed = to_asker,
      due = now + CASE WHEN to_asker THEN q.ttl ELSE least(q.ttl, ${CLAIM_WINDOW}) END,
      lasting = to_asker AND q.ttl > ${LONGEST_FORGOTTEN},
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

-- Keeps for a session that a lease has ended by somebody else's doing, until it asks.
CREATE OR REPLACE FUNCTION ${schema}.note_end(
  told text, seq bigint, lease bigint, taken boolean, now double precision
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ${schema}.session AS s (session, ended, at) VALUES (told, ARRAY[json_build_array(seq, lease, taken)], now)
    ON CONFLICT (session) DO UPDATE SET ended = s.ended || excluded.ended, at = now;
  -- Of those that have died in the meantime nobody asks again.
  DELETE FROM ${schema}.session s WHERE s.ask_at IS NULL AND s.at < now - 86400000;
END $$;

-- A session has been told what it had to be told. What it gave up stays known until it leaves.
CREATE OR REPLACE FUNCTION ${schema}.told(asker text, is_waiting boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM ${schema}.session s WHERE s.session = asker AND NOT is_waiting AND s.given_up IS NULL;
  IF NOT FOUND THEN
    UPDATE ${schema}.session s SET ended = NULL, ask_at = CASE WHEN is_waiting THEN s.ask_at END
      WHERE s.session = asker;
  END IF;
END $$;

-- Ends leases. Returns their members, once for each key that was held, and the keys that others wait for.
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
-- is changed. What is renewed is the whole lease, and the last word on it counts.
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

-- Sees to it that every session that waits asks again no later than the first lease ends, whoever it is. Returns
-- when \`asker\` has to, if it waits. A time that it has been told before it keeps, as long as it is soon enough: a
-- row that is written for each grant would cost more than a look at the wrong time.
CREATE OR REPLACE FUNCTION ${schema}.look_out(
  asker text, now double precision, is_waiting boolean, barred_until double precision
) RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
  first_due double precision;
  told double precision;
BEGIN
  SELECT q.due INTO first_due FROM ${schema}.queue q WHERE q.due IS NOT NULL ORDER BY q.due LIMIT 1;
  first_due := least(first_due, barred_until, 'Infinity');
  IF EXISTS (SELECT FROM ${schema}.session s WHERE s.ask_at > first_due AND s.session <> asker) THEN
    -- A subquery, not an EXISTS: as a join that would look at all who wait.
    WITH late AS (
      UPDATE ${schema}.session s SET ask_at = first_due
      WHERE s.ask_at > first_due AND s.session <> asker
        AND (SELECT true FROM ${schema}.queue q WHERE q.session = s.session AND NOT q.claimed AND q.waits LIMIT 1)
      RETURNING s.session)
    SELECT count(pg_notify('holdfast_' || l.session, (first_due - now)::text)) INTO told FROM late l;
  END IF;
  IF NOT is_waiting THEN RETURN NULL; END IF;
  SELECT s.ask_at INTO told FROM ${schema}.session s WHERE s.session = asker;
  IF told > now AND told <= first_due THEN RETURN told; END IF;
  INSERT INTO ${schema}.session (session, ask_at, at) VALUES (asker, first_due, now)
    ON CONFLICT (session) DO UPDATE SET ask_at = excluded.ask_at, at = now;
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
