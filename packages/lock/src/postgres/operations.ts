import { PLANNING, takeLatch } from "./entry.js"
import { type Names, sameKey } from "./names.js"
import { LONGEST_FORGOTTEN } from "./rules.js"
import { shortWays } from "./short-ways.js"

/** How many numbers are reserved at once, for one flush to the disk. */
const NUMBERS = 1_000_000

/** What a session calls: `ask` with its short ways, `inspect`, `force_release`, `leave`. */
export const operations = (names: Names) =>
  `${ask(names)}${acquire(names)}${shortWays(names)}${others(names)}`

const ask = (names: Names) => `
-- Does all of a question at one instant, as \`Session.ask\` in store.ts says. Each list has one element for each key
-- of each of its members; \`…_of\` says which member, counted from 1. \`alone\`: no other request of the question
-- shares a key with it, and it has no second one. \`given_up_turn\`: that of the last question whose answer never came.
-- \`recall\`: what the session waits for, after such a question. Returns an answer as JSON.
CREATE OR REPLACE FUNCTION ${names.schema}.ask(
  asker text, this_turn bigint, given_up_turn bigint, has_waiting boolean, longest_ttl double precision,
  renew_of int[], renew_key text[], renew_id text[], renew_token bigint[], renew_ttl double precision[],
  release_of int[], release_key text[], release_id text[], release_token bigint[],
  cancel_seq bigint[], cancel_key text[],
  acquire_of int[], acquire_key text[], acquire_seq bigint[], acquire_id text[], acquire_owner text[],
  acquire_ttl double precision[], acquire_wait boolean[], acquire_alone boolean[],
  recall_seq bigint[], recall_key text[]
) RETURNS text LANGUAGE plpgsql ${PLANNING} AS $$
DECLARE
  now double precision;
  state record;
  barred boolean;
  lost boolean := false;
  is_waiting boolean := false;
  changed text[];
  renewed int[];
  released int[];
  placed bigint[];
  numbers bigint[];
  granted bigint[];
  refused json;
  recalled bigint[];
  ask_in double precision;
BEGIN${takeLatch(names)}
  SELECT e.barred_until, e.ttl, e.number,
    EXISTS (SELECT FROM ${names.schema}.queue q WHERE q.due <= now) AS overdue,
    EXISTS (SELECT FROM ${names.schema}.session s WHERE s.ask_at IS NOT NULL) AS crowded,
    me.ask_at, me.ended, me.given_up
    INTO state FROM ${names.schema}.epoch e LEFT JOIN ${names.schema}.session me ON me.session = asker WHERE e.one;
  IF NOT FOUND THEN
    PERFORM ${names.schema}.recover(now);
    SELECT e.barred_until, e.ttl, e.number, true AS overdue, false AS crowded, NULL::float AS ask_at,
      NULL::json[] AS ended, NULL::bigint AS given_up INTO state FROM ${names.schema}.epoch e;
  END IF;
  IF state.given_up >= this_turn THEN
    RAISE EXCEPTION 'This question was given up by its session' USING ERRCODE = 'HF002';
  END IF;
  IF given_up_turn IS NOT NULL THEN
    INSERT INTO ${names.schema}.session (session, given_up, at) VALUES (asker, given_up_turn, now)
      ON CONFLICT (session) DO UPDATE SET given_up = excluded.given_up, at = now;
  END IF;
  IF longest_ttl > state.ttl THEN PERFORM ${names.schema}.widen(longest_ttl, 0); END IF;

  IF state.overdue OR state.barred_until <= now THEN
    changed := ${names.schema}.expire(now);
    SELECT s.ask_at INTO state.ask_at FROM ${names.schema}.session s WHERE s.session = asker;
  END IF;
  barred := state.barred_until > now;
  lost := has_waiting AND state.ask_at IS NULL;

  IF cardinality(renew_of) > 0 THEN
    renewed := ${names.schema}.renew(now, renew_of, renew_key, renew_id, renew_token, renew_ttl);
  END IF;
  IF cardinality(release_of) > 0 THEN
    SELECT r.gone, changed || r.left_keys INTO released, changed
      FROM ${names.schema}.release(now, release_of, release_key, release_id, release_token) r(gone, left_keys);
  END IF;
  IF cardinality(cancel_seq) > 0 THEN
    WITH gone AS (
      DELETE FROM ${names.schema}.queue q USING unnest(cancel_seq, cancel_key) c(seq, key)
      WHERE ${sameKey("q", "c.key")} AND q.session = asker AND q.seq = c.seq
      RETURNING q.key)
    SELECT changed || array_agg(DISTINCT g.key) INTO changed FROM gone g;
  END IF;
  IF cardinality(changed) > 0 AND barred IS NOT TRUE THEN
    granted := ${names.schema}.advance(asker, now, changed);
  END IF;

  IF true = ANY (acquire_alone) AND barred IS NOT TRUE THEN
    WITH placing_rows AS (
      INSERT INTO ${names.schema}.queue
      SELECT a.key, false, a.number, a.number, a.number, true, now + a.ttl, now, a.ttl,
        a.ttl > ${LONGEST_FORGOTTEN}, false, asker, a.seq, a.id, a.owner
      FROM (
        SELECT r.*, nextval('${names.schema}.number') AS number
        FROM unnest(acquire_key, acquire_seq, acquire_id, acquire_owner, acquire_ttl, acquire_alone)
          r(key, seq, id, owner, ttl, alone)
        WHERE r.alone AND NOT EXISTS (SELECT FROM ${names.schema}.queue q WHERE ${sameKey("q", "r.key")})
      ) a
      RETURNING number, seq)
    SELECT array_agg(p.seq), array_agg(p.number) INTO placed, numbers FROM placing_rows p;
  END IF;
  IF cardinality(acquire_of) > coalesce(cardinality(placed), 0) THEN
    SELECT granted || a.held, a.busy, a.waits, numbers || a.last_one
      INTO granted, refused, is_waiting, numbers
      FROM ${names.schema}.acquire(asker, now, coalesce(barred, false), coalesce(placed, '{}'), acquire_of, acquire_key,
        acquire_seq, acquire_id, acquire_owner, acquire_ttl, acquire_wait) a(held, busy, waits, last_one);
  END IF;
  IF numbers[cardinality(numbers)] > state.number THEN
    PERFORM ${names.schema}.widen(0, numbers[cardinality(numbers)] + ${NUMBERS});
  END IF;

  IF state.ask_at IS NOT NULL THEN
    WITH mine AS (
      UPDATE ${names.schema}.queue q SET claimed = true, due = now + q.ttl, lasting = q.ttl > ${LONGEST_FORGOTTEN}
      WHERE q.session = asker AND NOT q.claimed AND NOT q.waits RETURNING q.number)
    SELECT granted || array_agg(DISTINCT m.number) INTO granted FROM mine m;
    is_waiting := EXISTS (SELECT FROM ${names.schema}.queue q WHERE q.session = asker AND NOT q.claimed);
  END IF;
  IF state.crowded OR is_waiting THEN
    ask_in := ${names.schema}.look_out(asker, now, is_waiting, CASE WHEN barred THEN state.barred_until END) - now;
  END IF;
  IF state.ended IS NOT NULL OR (state.ask_at IS NOT NULL AND NOT is_waiting) THEN
    PERFORM ${names.schema}.told(asker, is_waiting);
  END IF;
  IF cardinality(recall_seq) > 0 THEN
    -- Its session trusts a lease for a ttl from the question whose answer it gets, so that it has to last for as long.
    UPDATE ${names.schema}.queue q SET due = now + q.ttl FROM unnest(recall_seq, recall_key) r(seq, key)
      WHERE ${sameKey("q", "r.key")} AND q.session = asker AND q.seq = r.seq AND NOT q.waits;
    SELECT array_agg(DISTINCT q.seq), granted || array_agg(DISTINCT q.number) FILTER (WHERE NOT q.waits)
      INTO recalled, granted FROM unnest(recall_seq, recall_key) r(seq, key)
      JOIN ${names.schema}.queue q ON ${sameKey("q", "r.key")} AND q.session = asker AND q.seq = r.seq;
  END IF;
  -- One json_build_object of all of it took longer than all the rest of an empty question.
  RETURN concat('{"renewed":', coalesce(array_to_json(renewed), '[]'), ',"released":', coalesce(array_to_json(released), '[]'),
    ',"placed":', coalesce(array_to_json(placed), '[]'), ',"numbers":', coalesce(array_to_json(numbers), '[]'),
    ',"granted":', CASE WHEN cardinality(granted) > 0 THEN coalesce(${names.schema}.grants_of(granted), '[]') ELSE '[]' END,
    ',"refused":', coalesce(refused, '[]'), ',"ended":', coalesce(array_to_json(state.ended), '[]'),
    ',"recalled":', coalesce(array_to_json(recalled), '[]'), ',"lost":', CASE WHEN lost THEN 'true' ELSE 'false' END,
    ',"askIn":', CASE WHEN ask_in < 'Infinity' THEN ask_in::text ELSE 'null' END, '}');
END $$;
`

const acquire = ({ schema }: Names) => `
-- Places the requests that couldn't be placed on free keys at once, one after the other.
CREATE OR REPLACE FUNCTION ${schema}.acquire(
  asker text, now double precision, barred boolean, placed bigint[],
  acquire_of int[], acquire_key text[], acquire_seq bigint[], acquire_id text[], acquire_owner text[],
  acquire_ttl double precision[], acquire_wait boolean[],
  OUT granted bigint[], OUT refused json, OUT is_waiting boolean, OUT last_number bigint
) LANGUAGE plpgsql AS $$
DECLARE
  request record;
  busy text;
  refusals json[] := '{}';
BEGIN
  is_waiting := false;
  FOR request IN
    SELECT r.of, min(r.seq) AS seq, min(r.id) AS id, min(r.owner) AS owner, min(r.ttl) AS ttl,
      bool_or(r.wait) AS wait, array_agg(r.key ORDER BY r.place) AS keys
    FROM unnest(acquire_of, acquire_key, acquire_seq, acquire_id, acquire_owner, acquire_ttl, acquire_wait)
      WITH ORDINALITY r(of, key, seq, id, owner, ttl, wait, place)
    WHERE r.seq <> ALL (placed)
    GROUP BY r.of ORDER BY r.of
  LOOP
    SELECT k.key INTO busy FROM unnest(request.keys) WITH ORDINALITY k(key, place)
      LEFT JOIN LATERAL (
        SELECT h.owner FROM ${schema}.queue h WHERE ${sameKey("h", "k.key")} AND NOT h.waits LIMIT 1) holds ON true
      WHERE barred OR CASE WHEN holds.owner IS NOT NULL THEN holds.owner <> request.owner
        ELSE EXISTS (SELECT FROM ${schema}.queue w WHERE ${sameKey("w", "k.key")} AND w.waits) END
      ORDER BY k.place LIMIT 1;
    IF busy IS NOT NULL AND NOT request.wait THEN
      refusals := refusals || json_build_array(request.seq, busy);
      CONTINUE;
    END IF;
    last_number := nextval('${schema}.number');
    -- What its owner holds it may enter for as long as that is held: it shares the token.
    INSERT INTO ${schema}.queue
      SELECT k.key, busy IS NOT NULL, last_number, coalesce(holds.token, last_number),
        max(coalesce(holds.token, last_number)) OVER (), busy IS NULL,
        CASE WHEN busy IS NULL THEN now + request.ttl END, now, request.ttl,
        busy IS NULL AND request.ttl > ${LONGEST_FORGOTTEN}, cardinality(request.keys) > 1,
        asker, request.seq, request.id, request.owner
      FROM unnest(request.keys) k(key)
      LEFT JOIN LATERAL (
        SELECT h.token FROM ${schema}.queue h
        WHERE ${sameKey("h", "k.key")} AND NOT h.waits AND h.owner = request.owner LIMIT 1) holds ON true;
    IF busy IS NULL THEN
      PERFORM ${schema}.take_over(last_number, now);
      granted := granted || last_number;
    ELSE
      is_waiting := true;
    END IF;
  END LOOP;
  refused := array_to_json(refusals);
END $$;
`

const others = (names: Names) => `
-- What every question but \`ask\` begins with. Returns the keys on which somebody may now be first.
CREATE OR REPLACE FUNCTION ${names.schema}.pass_time(now double precision) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM ${names.schema}.epoch) THEN PERFORM ${names.schema}.recover(now); END IF;
  RETURN ${names.schema}.expire(now);
END $$;

-- What every question but \`ask\` ends with: it is nobody's, so nobody learns anything from its answer.
CREATE OR REPLACE FUNCTION ${names.schema}.settle(now double precision, changed text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF cardinality(changed) > 0 AND NOT EXISTS (SELECT FROM ${names.schema}.epoch e WHERE e.barred_until > now) THEN
    PERFORM ${names.schema}.advance('', now, changed);
  END IF;
  PERFORM ${names.schema}.look_out('', now, false, NULL);
END $$;

-- The queue as it is now, as JSON: a list of the rows, in the order of the turns.
CREATE OR REPLACE FUNCTION ${names.schema}.inspect() RETURNS text LANGUAGE plpgsql ${PLANNING} AS $$
DECLARE
  now double precision;
BEGIN${takeLatch(names)}
  PERFORM ${names.schema}.settle(now, ${names.schema}.pass_time(now));
  RETURN (SELECT coalesce(json_agg(json_build_object('key', q.key, 'number', q.number, 'waits', q.waits, 'token', q.token,
      'id', q.id, 'owner', q.owner, 'age', now - q.since, 'expiresIn', CASE WHEN q.due < 'Infinity' THEN q.due - now END)
      ORDER BY q.key, q.waits, q.number), '[]') FROM ${names.schema}.queue q);
END $$;

-- Ends every lease on a key, with all keys of that lease. False where nobody held it.
CREATE OR REPLACE FUNCTION ${names.schema}.force_release(target text) RETURNS boolean LANGUAGE plpgsql ${PLANNING} AS $$
DECLARE
  now double precision;
  changed text[];
  lease record;
BEGIN${takeLatch(names)}
  -- What time has freed goes to whoever is next, and it is his lease that ends then.
  PERFORM ${names.schema}.settle(now, ${names.schema}.pass_time(now));
  FOR lease IN
    WITH gone AS (
      DELETE FROM ${names.schema}.queue q WHERE q.number IN (
        SELECT h.number FROM ${names.schema}.queue h WHERE ${sameKey("h", "target")} AND NOT h.waits)
      RETURNING q.key, q.session, q.seq, q.lease)
    SELECT g.session, g.seq, g.lease, array_agg(g.key) AS keys FROM gone g GROUP BY g.session, g.seq, g.lease
  LOOP
    PERFORM ${names.schema}.note_end(lease.session, lease.seq, lease.lease, true, now);
    PERFORM pg_notify('holdfast_' || lease.session, '0');
    changed := changed || lease.keys;
  END LOOP;
  PERFORM ${names.schema}.settle(now, changed);
  RETURN changed IS NOT NULL;
END $$;

-- The end of a session: what it waits for is dropped; what it holds runs out by its ttl.
CREATE OR REPLACE FUNCTION ${names.schema}.leave(asker text) RETURNS void LANGUAGE plpgsql ${PLANNING} AS $$
DECLARE
  now double precision;
  changed text[];
BEGIN${takeLatch(names)}
  changed := ${names.schema}.pass_time(now);
  changed := changed || ${names.schema}.drop_sessions(ARRAY[asker]);
  DELETE FROM ${names.schema}.session s WHERE s.session = asker;
  PERFORM ${names.schema}.settle(now, changed);
END $$;
`
