import type { Names } from "./names.js"
import { LONGEST_FORGOTTEN } from "./rules.js"

/** How many numbers are reserved at once, for one flush to the disk. */
const NUMBERS = 1_000_000

/**
 * What a session calls: `ask`, `inspect`, `force_release`. Each takes the latch as its first act and reads the clock
 * then; what it reads after that is what the last holder of the latch left. That is so at read committed only: at
 * any other level all of it is seen as it was before the latch, and two callers held the same key.
 */
export const operations = (names: Names) => `${latch(names)}${ask(names)}${others(names)}`

/** Plans that are made once and keep to the indexes, whatever the size of the tables when they are made. */
const PLANNING = `SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET jit = off SET plan_cache_mode = force_generic_plan`

const latch = ({ schema, latch, clock }: Names) => `
-- Takes the latch, and lets the time pass. Its end is the end of the caller's transaction.
CREATE OR REPLACE FUNCTION ${schema}.latch() RETURNS double precision LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'Holdfast locks at read committed only, not at %', current_setting('transaction_isolation')
      USING ERRCODE = 'HF001', HINT = 'Set default_transaction_isolation for the role or the connection.';
  END IF;
  PERFORM pg_advisory_xact_lock(${latch});
  PERFORM set_config('synchronous_commit', 'off', true);
  RETURN ${clock};
END $$;
`

const ask = ({ schema }: Names) => `
-- Does all of a question at one instant, as \`Session.ask\` in store.ts says. Each list has one element for each key
-- of each of its members; \`…_of\` says which member, counted from 1. \`alone\`: no other request of the question
-- shares a key with it, and it has no second one. \`given_up\`: the turn of the last question whose answer never came.
-- \`recall\`: what the session waits for, after such a question. Returns an answer as JSON.
CREATE OR REPLACE FUNCTION ${schema}.ask(
  asker text, this_turn bigint, given_up_turn bigint, has_waiting boolean, longest_ttl double precision,
  renew_of int[], renew_key text[], renew_id text[], renew_token bigint[], renew_ttl double precision[],
  release_of int[], release_key text[], release_id text[], release_token bigint[],
  cancel_seq bigint[], cancel_key text[],
  acquire_of int[], acquire_key text[], acquire_seq bigint[], acquire_id text[], acquire_owner text[],
  acquire_ttl double precision[], acquire_wait boolean[], acquire_alone boolean[],
  recall_seq bigint[], recall_key text[]
) RETURNS text LANGUAGE plpgsql ${PLANNING} AS $$
DECLARE
  now double precision := ${schema}.latch();
  state record;
  barred boolean;
  changed text[];
  request record;
  busy text;
  arrival bigint;
  last_number bigint;
  granted bigint[] := '{}';
  placed bigint[];
  numbers bigint[];
  recalled bigint[];
  is_waiting boolean := false;
  is_lost boolean := false;
  first_due double precision;
  renewed int[];
  released int[];
  refused jsonb[] := '{}';
  grants json;
  ends json;
  ask_in double precision;
BEGIN
  SELECT e.one IS NULL AS crashed, e.barred_until, h.ttl, h.number,
    EXISTS (SELECT FROM ${schema}.queue q WHERE q.due <= now) AS overdue,
    (SELECT w.ask_at FROM ${schema}.waiting w WHERE w.session = asker) AS ask_at,
    EXISTS (SELECT FROM ${schema}.waiting w) AS crowded,
    EXISTS (SELECT FROM ${schema}.ended e WHERE e.session = asker) AS has_ended,
    EXISTS (SELECT FROM ${schema}.given_up g WHERE g.session = asker AND g.turn >= this_turn) AS void
    INTO state FROM ${schema}.horizon h LEFT JOIN ${schema}.epoch e ON e.one WHERE h.one;
  IF state.crashed THEN
    PERFORM ${schema}.recover(now);
    SELECT e.barred_until INTO state.barred_until FROM ${schema}.epoch e;
  END IF;
  IF state.void THEN
    RAISE EXCEPTION 'This question was given up by its session' USING ERRCODE = 'HF002';
  END IF;
  IF given_up_turn IS NOT NULL THEN
    DELETE FROM ${schema}.given_up g WHERE g.at < now - 86400000;
    INSERT INTO ${schema}.given_up VALUES (asker, given_up_turn, now)
      ON CONFLICT (session) DO UPDATE SET turn = excluded.turn, at = excluded.at;
  END IF;
  IF longest_ttl > state.ttl THEN
    PERFORM set_config('synchronous_commit', 'on', true);
    UPDATE ${schema}.horizon h SET ttl = longest_ttl WHERE h.one;
  END IF;

  IF state.overdue OR state.barred_until <= now THEN changed := ${schema}.expire(now); END IF;
  barred := coalesce(state.barred_until > now, false);
  IF has_waiting AND (state.overdue OR state.ask_at IS NULL) THEN
    is_lost := NOT EXISTS (SELECT FROM ${schema}.waiting w WHERE w.session = asker);
  END IF;

  IF cardinality(renew_of) > 0 THEN
    renewed := ${schema}.renew(now, renew_of, renew_key, renew_id, renew_token, renew_ttl);
  END IF;

  IF cardinality(release_of) > 0 THEN
    WITH gone AS (
      DELETE FROM ${schema}.queue q USING unnest(release_of, release_key, release_id, release_token) r(of, key, id, token)
      WHERE left(q.key, 512) = left(r.key, 512) AND q.key = r.key AND NOT q.waits
        AND q.id = r.id AND (r.token IS NULL OR q.lease = r.token)
      RETURNING r.of, q.key, q.session, q.seq, q.lease, q.claimed),
    unknown AS (
      INSERT INTO ${schema}.ended SELECT DISTINCT g.session, g.seq, g.lease, false, now FROM gone g WHERE NOT g.claimed)
    SELECT array_agg(g.of), changed || array_agg(g.key) FILTER (WHERE state.crowded AND EXISTS (
        SELECT FROM ${schema}.queue w WHERE left(w.key, 512) = left(g.key, 512) AND w.key = g.key AND w.waits))
      INTO released, changed FROM gone g;
  END IF;

  IF cardinality(cancel_seq) > 0 THEN
    WITH gone AS (
      DELETE FROM ${schema}.queue q USING unnest(cancel_seq, cancel_key) c(seq, key)
      WHERE left(q.key, 512) = left(c.key, 512) AND q.key = c.key AND q.session = asker AND q.seq = c.seq
      RETURNING q.key)
    SELECT changed || array_agg(DISTINCT g.key) INTO changed FROM gone g;
  END IF;

  IF cardinality(changed) > 0 AND NOT barred THEN granted := ${schema}.advance(asker, now, changed); END IF;

  IF cardinality(acquire_of) > 0 THEN
    IF NOT barred AND true = ANY (acquire_alone) THEN
      WITH placed_rows AS (
        INSERT INTO ${schema}.queue
        SELECT a.key, false, a.number, a.number, a.number, true, now + a.ttl, now, a.ttl,
          a.ttl > ${LONGEST_FORGOTTEN}, false, asker, a.seq, a.id, a.owner
        FROM (
          SELECT r.*, nextval('${schema}.number') AS number
          FROM unnest(acquire_key, acquire_seq, acquire_id, acquire_owner, acquire_ttl, acquire_alone)
            r(key, seq, id, owner, ttl, alone)
          WHERE r.alone AND NOT EXISTS (
            SELECT FROM ${schema}.queue q WHERE left(q.key, 512) = left(r.key, 512) AND q.key = r.key)
        ) a
        RETURNING number, seq)
      SELECT array_agg(p.seq), array_agg(p.number), max(p.number) INTO placed, numbers, last_number FROM placed_rows p;
    END IF;
    IF cardinality(placed) IS DISTINCT FROM cardinality(acquire_of) THEN
      FOR request IN
        SELECT r.of, min(r.seq) AS seq, min(r.id) AS id, min(r.owner) AS owner, min(r.ttl) AS ttl,
          bool_or(r.wait) AS wait, array_agg(r.key ORDER BY r.place) AS keys
        FROM unnest(acquire_of, acquire_key, acquire_seq, acquire_id, acquire_owner, acquire_ttl, acquire_wait)
          WITH ORDINALITY r(of, key, seq, id, owner, ttl, wait, place)
        WHERE placed IS NULL OR r.seq <> ALL (placed)
        GROUP BY r.of ORDER BY r.of
      LOOP
        SELECT k.key INTO busy FROM unnest(request.keys) WITH ORDINALITY k(key, place)
          LEFT JOIN LATERAL (
            SELECT h.owner FROM ${schema}.queue h
            WHERE left(h.key, 512) = left(k.key, 512) AND h.key = k.key AND NOT h.waits LIMIT 1) holds ON true
          WHERE barred OR CASE WHEN holds.owner IS NOT NULL THEN holds.owner <> request.owner ELSE EXISTS (
            SELECT FROM ${schema}.queue w WHERE left(w.key, 512) = left(k.key, 512) AND w.key = k.key AND w.waits) END
          ORDER BY k.place LIMIT 1;
        IF busy IS NOT NULL AND NOT request.wait THEN
          refused := refused || jsonb_build_array(request.seq, busy);
          CONTINUE;
        END IF;
        arrival := nextval('${schema}.number');
        last_number := arrival;
        INSERT INTO ${schema}.queue
          SELECT k.key, busy IS NOT NULL, arrival, coalesce(holds.token, arrival),
            max(coalesce(holds.token, arrival)) OVER (), busy IS NULL,
            CASE WHEN busy IS NULL THEN now + request.ttl END, now, request.ttl,
            busy IS NULL AND request.ttl > ${LONGEST_FORGOTTEN}, cardinality(request.keys) > 1,
            asker, request.seq, request.id, request.owner
          FROM unnest(request.keys) k(key)
          LEFT JOIN LATERAL (
            SELECT h.token FROM ${schema}.queue h
            WHERE left(h.key, 512) = left(k.key, 512) AND h.key = k.key AND NOT h.waits AND h.owner = request.owner
            LIMIT 1) holds ON true;
        IF busy IS NULL THEN
          PERFORM ${schema}.take_over(arrival, now);
          granted := granted || arrival;
        ELSE
          is_waiting := true;
        END IF;
      END LOOP;
    END IF;
    IF last_number > state.number THEN
      PERFORM set_config('synchronous_commit', 'on', true);
      UPDATE ${schema}.horizon h SET number = last_number + ${NUMBERS} WHERE h.one;
    END IF;
  END IF;

  IF state.ask_at IS NOT NULL THEN
    WITH mine AS (
      UPDATE ${schema}.queue q SET claimed = true, due = now + q.ttl, lasting = q.ttl > ${LONGEST_FORGOTTEN}
      WHERE q.session = asker AND NOT q.claimed AND NOT q.waits RETURNING q.number)
    SELECT granted || array_agg(DISTINCT m.number) INTO granted FROM mine m;
    is_waiting := EXISTS (SELECT FROM ${schema}.queue q WHERE q.session = asker AND NOT q.claimed);
    IF NOT is_waiting THEN DELETE FROM ${schema}.waiting w WHERE w.session = asker; END IF;
  END IF;
  IF state.crowded OR is_waiting THEN
    first_due := ${schema}.look_out(asker, now, is_waiting, CASE WHEN barred THEN state.barred_until END);
    IF first_due < 'Infinity' THEN ask_in := first_due - now; END IF;
  END IF;

  IF cardinality(recall_seq) > 0 THEN
    SELECT array_agg(DISTINCT q.seq), granted || array_agg(DISTINCT q.number) FILTER (WHERE NOT q.waits)
      INTO recalled, granted FROM unnest(recall_seq, recall_key) r(seq, key)
      JOIN ${schema}.queue q ON left(q.key, 512) = left(r.key, 512) AND q.key = r.key AND q.session = asker AND q.seq = r.seq;
  END IF;
  IF cardinality(granted) > 0 THEN grants := ${schema}.grants_of(granted); END IF;
  IF state.has_ended THEN
    WITH told AS (DELETE FROM ${schema}.ended e WHERE e.session = asker RETURNING e.seq, e.lease, e.taken)
    SELECT json_agg(json_build_array(t.seq, t.lease, t.taken)) INTO ends FROM told t;
  END IF;
  RETURN json_build_object('renewed', renewed, 'released', released, 'placed', placed, 'numbers', numbers,
    'granted', grants, 'refused', refused, 'ended', ends, 'lost', is_lost, 'recalled', recalled, 'askIn', ask_in);
END $$;
`

const others = ({ schema }: Names) => `
-- What every question but \`ask\` begins with. Returns the keys on which somebody may now be first.
CREATE OR REPLACE FUNCTION ${schema}.pass_time(now double precision) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM ${schema}.epoch) THEN PERFORM ${schema}.recover(now); END IF;
  RETURN ${schema}.expire(now);
END $$;

-- What every question but \`ask\` ends with: it is nobody's, so nobody learns anything from its answer.
CREATE OR REPLACE FUNCTION ${schema}.settle(now double precision, changed text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF cardinality(changed) > 0 AND NOT EXISTS (SELECT FROM ${schema}.epoch e WHERE e.barred_until > now) THEN
    PERFORM ${schema}.advance('', now, changed);
  END IF;
  PERFORM ${schema}.look_out('', now, false, NULL);
END $$;

-- The queue as it is now, as JSON: a list of the rows, in the order of the turns.
CREATE OR REPLACE FUNCTION ${schema}.inspect() RETURNS text LANGUAGE plpgsql ${PLANNING} AS $$
DECLARE
  now double precision := ${schema}.latch();
BEGIN
  PERFORM ${schema}.settle(now, ${schema}.pass_time(now));
  RETURN (SELECT coalesce(json_agg(json_build_object('key', q.key, 'number', q.number, 'waits', q.waits, 'token', q.token,
      'id', q.id, 'owner', q.owner, 'age', now - q.since, 'expiresIn', CASE WHEN q.due < 'Infinity' THEN q.due - now END)
      ORDER BY q.key, q.waits, q.number), '[]') FROM ${schema}.queue q);
END $$;

-- Ends every lease on a key, with all keys of that lease. False where nobody held it.
CREATE OR REPLACE FUNCTION ${schema}.force_release(target text) RETURNS boolean LANGUAGE plpgsql ${PLANNING} AS $$
DECLARE
  now double precision := ${schema}.latch();
  changed text[] := ${schema}.pass_time(now);
  has_ended boolean;
BEGIN
  -- Before the leases are looked at: what time has freed goes to whoever is next, and is his lease then.
  PERFORM ${schema}.settle(now, changed);
  DELETE FROM ${schema}.ended e WHERE e.at < now - 3600000;
  WITH gone AS (
    DELETE FROM ${schema}.queue q WHERE q.number IN (
      SELECT h.number FROM ${schema}.queue h
      WHERE left(h.key, 512) = left(target, 512) AND h.key = target AND NOT h.waits)
    RETURNING q.key, q.session, q.seq, q.lease),
  told AS (INSERT INTO ${schema}.ended SELECT DISTINCT g.session, g.seq, g.lease, true, now FROM gone g)
  SELECT array_agg(g.key), bool_or(pg_notify('holdfast_' || g.session, '0') IS NOT NULL) INTO changed, has_ended FROM gone g;
  PERFORM ${schema}.settle(now, changed);
  RETURN coalesce(has_ended, false);
END $$;

-- The end of a session: what it waits for is dropped; what it holds runs out by its ttl.
CREATE OR REPLACE FUNCTION ${schema}.leave(asker text) RETURNS void LANGUAGE plpgsql ${PLANNING} AS $$
DECLARE
  now double precision := ${schema}.latch();
  changed text[] := ${schema}.pass_time(now);
BEGIN
  changed := changed || ${schema}.drop_sessions(ARRAY[asker]);
  DELETE FROM ${schema}.ended e WHERE e.session = asker;
  DELETE FROM ${schema}.given_up g WHERE g.session = asker;
  PERFORM ${schema}.settle(now, changed);
END $$;
`
