import { PLANNING, takeAdvisoryLock } from "./entry.js"
import { fastPaths } from "./fast-paths.js"
import { type Names, sameKey } from "./names.js"
import { LONGEST_FORGOTTEN } from "./rules.js"

/** How many numbers are reserved at once, for one flush to the disk. */
const NUMBERS = 1_000_000

/** The functions that a session calls: `execute` with its fast paths, `inspect`, `force_release`, `close_session`. */
export const commands = (names: Names) =>
  `${execute(names)}${acquire(names)}${fastPaths(names)}${others(names)}`

const execute = (names: Names) => `
-- Executes all of a batch at one instant, as \`Session.execute\` in store.ts says. Each list has one element for each
-- key of each of its members; \`…_of\` says which member, counted from 1. \`alone\`: no other request of the batch
-- shares a key with it, and it has no second one. \`given_up_turn\`: that of the last batch whose answer never came.
-- \`recall\`: the session's waiting requests, after such a batch. An \`acquire_of\` below 0 is no key of a request, but a
-- lease that the request of the same number above 0 holds: its id and one of its keys. Returns the result as JSON.
CREATE OR REPLACE FUNCTION ${names.schema}.execute(
  caller text, this_turn bigint, given_up_turn bigint, has_waiting boolean, longest_ttl double precision,
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
  recovering boolean;
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
  wake_in double precision;
BEGIN${takeAdvisoryLock(names)}
  SELECT e.recovering_until, e.ttl, e.number,
    EXISTS (SELECT FROM ${names.schema}.queue q WHERE q.due <= now) AS overdue,
    EXISTS (SELECT FROM ${names.schema}.session s WHERE s.wake_at IS NOT NULL) AS others_wait,
    me.wake_at, me.ended, me.given_up
    INTO state FROM ${names.schema}.epoch e LEFT JOIN ${names.schema}.session me ON me.session = caller WHERE e.one;
  IF NOT FOUND THEN
    PERFORM ${names.schema}.recover(now);
    SELECT e.recovering_until, e.ttl, e.number, true AS overdue, false AS others_wait, NULL::float AS wake_at,
      NULL::json[] AS ended, NULL::bigint AS given_up INTO state FROM ${names.schema}.epoch e;
  END IF;
  IF state.given_up >= this_turn THEN
    RAISE EXCEPTION 'The session has given up this batch' USING ERRCODE = 'HF002';
  END IF;
  IF given_up_turn IS NOT NULL THEN
    INSERT INTO ${names.schema}.session (session, given_up, at) VALUES (caller, given_up_turn, now)
      ON CONFLICT (session) DO UPDATE SET given_up = excluded.given_up, at = now;
  END IF;
  IF longest_ttl > state.ttl THEN PERFORM ${names.schema}.widen(longest_ttl, 0); END IF;

  IF state.overdue OR state.recovering_until <= now THEN
    changed := ${names.schema}.expire(now);
    SELECT s.wake_at INTO state.wake_at FROM ${names.schema}.session s WHERE s.session = caller;
  END IF;
  recovering := state.recovering_until > now;
  lost := has_waiting AND state.wake_at IS NULL;

  IF cardinality(renew_of) > 0 THEN
    renewed := ${names.schema}.renew(now, renew_of, renew_key, renew_id, renew_token, renew_ttl);
  END IF;
  IF cardinality(release_of) > 0 THEN
    SELECT r.gone, changed || r.left_keys INTO released, changed
      FROM ${names.schema}.release(now, release_of, release_key, release_id, release_token) r(gone, left_keys);
  END IF;
  IF cardinality(cancel_seq) > 0 THEN
    -- What waits is found by its number, not by its key: 4,000 that gave up one key looked at 4,000 each.
    WITH waiting AS (
      DELETE FROM ${names.schema}.queue q
      WHERE q.session = caller AND q.waits AND NOT q.claimed AND q.seq = ANY (cancel_seq)
      RETURNING q.key),
    held AS (
      DELETE FROM ${names.schema}.queue q USING unnest(cancel_seq, cancel_key) c(seq, key)
      WHERE ${sameKey("q", "c.key")} AND NOT q.waits AND q.session = caller AND q.seq = c.seq
      RETURNING q.key)
    SELECT changed || array_agg(DISTINCT g.key) INTO changed
      FROM (SELECT w.key FROM waiting w UNION ALL SELECT h.key FROM held h) g;
  END IF;
  IF cardinality(changed) > 0 AND recovering IS NOT TRUE THEN
    granted := ${names.schema}.advance(caller, now, changed);
  END IF;

  IF true = ANY (acquire_alone) AND recovering IS NOT TRUE THEN
    WITH placing_rows AS (
      INSERT INTO ${names.schema}.queue
      SELECT a.key, false, a.number, a.number, a.number, true, now + a.ttl, now, a.ttl,
        a.ttl > ${LONGEST_FORGOTTEN}, false, caller, a.seq, a.id, a.owner
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
      FROM ${names.schema}.acquire(caller, now, coalesce(recovering, false), coalesce(placed, '{}'), acquire_of, acquire_key,
        acquire_seq, acquire_id, acquire_owner, acquire_ttl, acquire_wait) a(held, busy, waits, last_one);
  END IF;
  IF numbers[cardinality(numbers)] > state.number THEN
    PERFORM ${names.schema}.widen(0, numbers[cardinality(numbers)] + ${NUMBERS});
  END IF;

  IF state.wake_at IS NOT NULL THEN
    WITH mine AS (
      UPDATE ${names.schema}.queue q SET claimed = true, due = now + q.ttl, lasting = q.ttl > ${LONGEST_FORGOTTEN}
      WHERE q.session = caller AND NOT q.claimed AND NOT q.waits RETURNING q.number)
    SELECT granted || array_agg(DISTINCT m.number) INTO granted FROM mine m;
    is_waiting := EXISTS (SELECT FROM ${names.schema}.queue q WHERE q.session = caller AND NOT q.claimed);
  END IF;
  IF state.others_wait OR is_waiting THEN
    wake_in := ${names.schema}.schedule_wakeups(caller, now, is_waiting, CASE WHEN recovering THEN state.recovering_until END) - now;
  END IF;
  IF state.ended IS NOT NULL OR (state.wake_at IS NOT NULL AND NOT is_waiting) THEN
    PERFORM ${names.schema}.acknowledged(caller, is_waiting);
  END IF;
  IF cardinality(recall_seq) > 0 THEN
    -- Its session trusts a lease for a ttl from the batch whose answer it gets, so that it has to last for as long.
    UPDATE ${names.schema}.queue q SET due = now + q.ttl FROM unnest(recall_seq, recall_key) r(seq, key)
      WHERE ${sameKey("q", "r.key")} AND q.session = caller AND q.seq = r.seq AND NOT q.waits;
    SELECT array_agg(DISTINCT q.seq), granted || array_agg(DISTINCT q.number) FILTER (WHERE NOT q.waits)
      INTO recalled, granted FROM (
        SELECT w.seq, w.number, w.waits FROM ${names.schema}.queue w WHERE w.session = caller AND w.waits AND NOT w.claimed
        UNION ALL
        SELECT h.seq, h.number, h.waits FROM unnest(recall_seq, recall_key) r(seq, key)
          JOIN ${names.schema}.queue h ON ${sameKey("h", "r.key")} AND NOT h.waits AND h.session = caller AND h.seq = r.seq) q;
  END IF;
  -- One json_build_object of all of it took longer than the rest of an empty batch.
  RETURN concat('{"renewed":', coalesce(array_to_json(renewed), '[]'), ',"released":', coalesce(array_to_json(released), '[]'),
    ',"placed":', coalesce(array_to_json(placed), '[]'), ',"numbers":', coalesce(array_to_json(numbers), '[]'),
    ',"granted":', CASE WHEN cardinality(granted) > 0 THEN coalesce(${names.schema}.grants_of(granted), '[]') ELSE '[]' END,
    ',"refused":', coalesce(refused, '[]'), ',"ended":', coalesce(array_to_json(state.ended), '[]'),
    ',"recalled":', coalesce(array_to_json(recalled), '[]'), ',"lost":', CASE WHEN lost THEN 'true' ELSE 'false' END,
    ',"wakeIn":', CASE WHEN wake_in < 'Infinity' THEN wake_in::text ELSE 'null' END, '}');
END $$;
`

const acquire = ({ schema }: Names) => `
-- Places the requests that \`execute\` couldn't place on free keys, one after the other. Those that are refused are
-- reported with the key that is busy, and where they would have waited for themselves with the circle.
CREATE OR REPLACE FUNCTION ${schema}.acquire(
  caller text, now double precision, recovering boolean, placed bigint[],
  acquire_of int[], acquire_key text[], acquire_seq bigint[], acquire_id text[], acquire_owner text[],
  acquire_ttl double precision[], acquire_wait boolean[],
  OUT granted bigint[], OUT refused json, OUT is_waiting boolean, OUT last_number bigint
) LANGUAGE plpgsql AS $$
DECLARE
  request record;
  busy text;
  refusals json[] := '{}';
  held bigint[];
  circle json;
BEGIN
  is_waiting := false;
  FOR request IN
    SELECT r.of, min(r.seq) AS seq, min(r.id) AS id, min(r.owner) AS owner, min(r.ttl) AS ttl,
      bool_or(r.wait) AS wait, array_agg(r.key ORDER BY r.place) AS keys
    FROM unnest(acquire_of, acquire_key, acquire_seq, acquire_id, acquire_owner, acquire_ttl, acquire_wait)
      WITH ORDINALITY r(of, key, seq, id, owner, ttl, wait, place)
    WHERE r.seq <> ALL (placed) AND r.of > 0
    GROUP BY r.of ORDER BY r.of
  LOOP
    SELECT k.key INTO busy FROM unnest(request.keys) WITH ORDINALITY k(key, place)
      LEFT JOIN LATERAL (
        SELECT h.owner FROM ${schema}.queue h WHERE ${sameKey("h", "k.key")} AND NOT h.waits LIMIT 1) holds ON true
      WHERE recovering OR CASE WHEN holds.owner IS NOT NULL THEN holds.owner <> request.owner
        ELSE EXISTS (SELECT FROM ${schema}.queue w WHERE ${sameKey("w", "k.key")} AND w.waits) END
      ORDER BY k.place LIMIT 1;
    IF busy IS NOT NULL AND NOT request.wait THEN
      refusals := refusals || json_build_array(request.seq, busy);
      CONTINUE;
    END IF;
    last_number := nextval('${schema}.number');
    held := NULL;
    IF busy IS NOT NULL AND -request.of = ANY (acquire_of) THEN
      SELECT array_agg(DISTINCT q.number) INTO held FROM unnest(acquire_of, acquire_key, acquire_id) h(of, key, id)
        JOIN ${schema}.queue q ON ${sameKey("q", "h.key")} AND NOT q.waits AND q.id = h.id WHERE h.of = -request.of;
    END IF;
    -- It may re-enter what its owner holds for as long as that is held: it shares the token.
    INSERT INTO ${schema}.queue
      SELECT k.key, busy IS NOT NULL, last_number, coalesce(holds.token, last_number),
        max(coalesce(holds.token, last_number)) OVER (), busy IS NULL,
        CASE WHEN busy IS NULL THEN now + request.ttl END, now, request.ttl,
        busy IS NULL AND request.ttl > ${LONGEST_FORGOTTEN}, cardinality(request.keys) > 1,
        caller, request.seq, request.id, request.owner, held
      FROM unnest(request.keys) k(key)
      LEFT JOIN LATERAL (
        SELECT h.token FROM ${schema}.queue h
        WHERE ${sameKey("h", "k.key")} AND NOT h.waits AND h.owner = request.owner LIMIT 1) holds ON true;
    IF busy IS NULL THEN
      PERFORM ${schema}.take_over(last_number, now);
      granted := granted || last_number;
      CONTINUE;
    END IF;
    circle := CASE WHEN held IS NOT NULL THEN ${schema}.circle_closed_by(last_number, held) END;
    IF circle IS NULL THEN
      is_waiting := true;
    ELSE
      -- No other session has seen it in the queue.
      DELETE FROM ${schema}.queue q WHERE q.number = last_number;
      refusals := refusals || json_build_array(request.seq, busy, circle);
    END IF;
  END LOOP;
  refused := array_to_json(refusals);
END $$;
`

const others = (names: Names) => `
-- Every command but \`execute\` begins with this. Returns the keys whose first waiting request may now be granted.
CREATE OR REPLACE FUNCTION ${names.schema}.recover_and_expire(now double precision) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM ${names.schema}.epoch) THEN PERFORM ${names.schema}.recover(now); END IF;
  RETURN ${names.schema}.expire(now);
END $$;

-- Every command but \`execute\` ends with this. No session is its caller, so every grant is sent as a message.
CREATE OR REPLACE FUNCTION ${names.schema}.advance_and_wake(now double precision, changed text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF cardinality(changed) > 0 AND NOT EXISTS (SELECT FROM ${names.schema}.epoch e WHERE e.recovering_until > now) THEN
    PERFORM ${names.schema}.advance('', now, changed);
  END IF;
  PERFORM ${names.schema}.schedule_wakeups('', now, false, NULL);
END $$;

-- The queue as it is now, as JSON: a list of the rows, in the order of the turns.
CREATE OR REPLACE FUNCTION ${names.schema}.inspect() RETURNS text LANGUAGE plpgsql ${PLANNING} AS $$
DECLARE
  now double precision;
BEGIN${takeAdvisoryLock(names)}
  PERFORM ${names.schema}.advance_and_wake(now, ${names.schema}.recover_and_expire(now));
  RETURN (SELECT coalesce(json_agg(json_build_object('key', q.key, 'number', q.number, 'waits', q.waits, 'token', q.token,
      'id', q.id, 'owner', q.owner, 'age', now - q.since, 'expiresIn', CASE WHEN q.due < 'Infinity' THEN q.due - now END,
      'holds', CASE WHEN q.waits AND q.holds IS NOT NULL THEN (
        SELECT json_agg(DISTINCT l.id) FROM ${names.schema}.queue l WHERE l.number = ANY (q.holds) AND NOT l.waits) END)
      ORDER BY q.key, q.waits, q.number), '[]') FROM ${names.schema}.queue q);
END $$;

-- Ends every lease on a key, with all keys of that lease. False where no lease held it.
CREATE OR REPLACE FUNCTION ${names.schema}.force_release(target text) RETURNS boolean LANGUAGE plpgsql ${PLANNING} AS $$
DECLARE
  now double precision;
  changed text[];
  lease record;
BEGIN${takeAdvisoryLock(names)}
  -- Expire first: a waiter promoted by expiry is the holder whose lease we end.
  PERFORM ${names.schema}.advance_and_wake(now, ${names.schema}.recover_and_expire(now));
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
  PERFORM ${names.schema}.advance_and_wake(now, changed);
  RETURN changed IS NOT NULL;
END $$;

-- Closes a session: its waiting requests are dropped; its leases expire by their ttl.
CREATE OR REPLACE FUNCTION ${names.schema}.close_session(caller text) RETURNS void LANGUAGE plpgsql ${PLANNING} AS $$
DECLARE
  now double precision;
  changed text[];
BEGIN${takeAdvisoryLock(names)}
  changed := ${names.schema}.recover_and_expire(now);
  changed := changed || ${names.schema}.drop_sessions(ARRAY[caller]);
  DELETE FROM ${names.schema}.session s WHERE s.session = caller;
  PERFORM ${names.schema}.advance_and_wake(now, changed);
END $$;
`
