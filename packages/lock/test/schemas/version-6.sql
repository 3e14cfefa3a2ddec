DO $migrate$
DECLARE
  found integer;
  old regprocedure;
BEGIN
  IF to_regprocedure('"holdfast_lock".version()') IS NULL THEN RETURN; END IF;
  EXECUTE 'SELECT "holdfast_lock".version()' INTO found;
  IF found > 6 THEN
    RAISE EXCEPTION 'The schema "holdfast_lock" is of version %, newer than 6', found USING ERRCODE = 'HF003';
  END IF;
  IF found < 2 THEN
    
    DROP TABLE "holdfast_lock".waiting, "holdfast_lock".ended, "holdfast_lock".given_up;
    ALTER TABLE "holdfast_lock".horizon DROP COLUMN version;
    ALTER TABLE "holdfast_lock".epoch ADD COLUMN ttl double precision, ADD COLUMN number bigint;
    UPDATE "holdfast_lock".epoch e SET ttl = h.ttl, number = h.number FROM "holdfast_lock".horizon h;
    ALTER TABLE "holdfast_lock".epoch ALTER COLUMN ttl SET NOT NULL, ALTER COLUMN number SET NOT NULL;
  END IF;
  IF found < 5 THEN
    
    DROP TRIGGER IF EXISTS lasting_begins ON "holdfast_lock".queue;
    DROP TRIGGER IF EXISTS lasting_changes ON "holdfast_lock".queue;
    DROP TRIGGER IF EXISTS lasting_ends ON "holdfast_lock".queue;
    FOR old IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = to_regnamespace('"holdfast_lock"') LOOP
      EXECUTE format('DROP FUNCTION %s', old);
    END LOOP;
    IF to_regclass('"holdfast_lock".session') IS NOT NULL THEN
      ALTER TABLE "holdfast_lock".session RENAME COLUMN ask_at TO wake_at;
      ALTER INDEX "holdfast_lock".session_ask_at RENAME TO session_wake_at;
    END IF;
    ALTER TABLE "holdfast_lock".epoch RENAME COLUMN barred_until TO recovering_until;
  END IF;
  IF found < 6 THEN
    DROP INDEX "holdfast_lock".queue_unclaimed;
  END IF;
END $migrate$;

CREATE SCHEMA IF NOT EXISTS "holdfast_lock";

CREATE UNLOGGED TABLE IF NOT EXISTS "holdfast_lock".queue (
  key text COLLATE "C" NOT NULL,
  waits boolean NOT NULL,
  number bigint NOT NULL,
  token bigint NOT NULL,
  lease bigint NOT NULL,
  claimed boolean NOT NULL,
  due double precision,
  since double precision NOT NULL,
  ttl double precision NOT NULL,
  lasting boolean NOT NULL,
  several boolean NOT NULL,
  session text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  id text COLLATE "C" NOT NULL,
  owner text COLLATE "C" NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000000000);

CREATE INDEX IF NOT EXISTS queue_turn ON "holdfast_lock".queue (left(key, 512), waits, number);
CREATE INDEX IF NOT EXISTS queue_number ON "holdfast_lock".queue (number);
CREATE INDEX IF NOT EXISTS queue_due ON "holdfast_lock".queue (due) WHERE due IS NOT NULL;

CREATE INDEX IF NOT EXISTS queue_waiting ON "holdfast_lock".queue (session, waits, seq) WHERE NOT claimed;

CREATE UNLOGGED TABLE IF NOT EXISTS "holdfast_lock".session (
  session text COLLATE "C" PRIMARY KEY,
  wake_at double precision,
  ended json[],
  given_up bigint,
  at double precision NOT NULL
);
CREATE INDEX IF NOT EXISTS session_wake_at ON "holdfast_lock".session (wake_at) WHERE wake_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS "holdfast_lock".horizon (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  ttl double precision NOT NULL,
  number bigint NOT NULL
);
INSERT INTO "holdfast_lock".horizon (ttl, number) VALUES (0, 0) ON CONFLICT DO NOTHING;

CREATE UNLOGGED TABLE IF NOT EXISTS "holdfast_lock".epoch (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  ttl double precision NOT NULL,
  number bigint NOT NULL,
  recovering_until double precision
);

CREATE TABLE IF NOT EXISTS "holdfast_lock".lasting (LIKE "holdfast_lock".queue);
CREATE INDEX IF NOT EXISTS lasting_number ON "holdfast_lock".lasting (number);

CREATE SEQUENCE IF NOT EXISTS "holdfast_lock".number;

CREATE SCHEMA IF NOT EXISTS "holdfast_lock";
CREATE TABLE IF NOT EXISTS "holdfast_lock".fence (
  id text COLLATE "C" PRIMARY KEY,
  key text COLLATE "C" NOT NULL,
  token bigint NOT NULL
);

CREATE OR REPLACE FUNCTION "holdfast_lock".recover(now double precision) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "holdfast_lock".epoch (ttl, number, recovering_until)
    SELECT h.ttl, h.number, nullif(now + h.ttl, now) FROM "holdfast_lock".horizon h;

  WITH kept AS (DELETE FROM "holdfast_lock".lasting l RETURNING l.*)
  INSERT INTO "holdfast_lock".queue SELECT * FROM kept WHERE kept.due > now;

  PERFORM setval('"holdfast_lock".number', greatest(h.number, (now * 1000)::bigint)) FROM "holdfast_lock".horizon h;
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".expire(now double precision) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  silent text[];
  left_keys text[];
BEGIN

  silent := ARRAY(SELECT DISTINCT q.session FROM "holdfast_lock".queue q WHERE q.due <= now AND NOT q.claimed);
  WITH gone AS (DELETE FROM "holdfast_lock".queue q WHERE q.due <= now RETURNING q.key)
  SELECT array_agg(DISTINCT gone.key) INTO left_keys FROM gone;
  IF cardinality(silent) > 0 THEN
    left_keys := left_keys || "holdfast_lock".drop_sessions(silent);
  END IF;
  UPDATE "holdfast_lock".epoch SET recovering_until = NULL WHERE recovering_until <= now;
  IF FOUND THEN
    left_keys := left_keys || ARRAY(SELECT DISTINCT q.key FROM "holdfast_lock".queue q WHERE q.waits);
  END IF;
  RETURN left_keys;
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".drop_sessions(silent text[]) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  left_keys text[];
BEGIN
  WITH gone AS (DELETE FROM "holdfast_lock".queue q WHERE q.session = ANY (silent) AND NOT q.claimed RETURNING q.key)
  SELECT array_agg(DISTINCT gone.key) INTO left_keys FROM gone;

  UPDATE "holdfast_lock".session s SET wake_at = NULL WHERE s.session = ANY (silent);
  RETURN left_keys;
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".advance(caller text, now double precision, changed text[])
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  changed_key text;
  first record;
  granted bigint[] := '{}';
BEGIN
  FOREACH changed_key IN ARRAY changed LOOP
    SELECT q.number, q.session, q.several, q.token INTO first FROM "holdfast_lock".queue q
      WHERE left(q.key, 512) = left(changed_key, 512) AND q.key = changed_key AND q.waits
      ORDER BY left(q.key, 512), q.waits, q.number LIMIT 1;
    CONTINUE WHEN NOT FOUND;
    CONTINUE WHEN "holdfast_lock".is_blocked(first.number, first.several, changed_key, first.token);
    PERFORM "holdfast_lock".grant(first.number, first.session = caller, first.several, changed_key, now);
    IF first.session = caller THEN granted := granted || first.number;
    ELSE PERFORM pg_notify('holdfast_' || first.session, '0');
    END IF;
  END LOOP;
  RETURN granted;
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".is_blocked(
  request bigint, has_several boolean, first_key text, first_token bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  holder bigint;
BEGIN
  SELECT h.token INTO holder FROM "holdfast_lock".queue h
    WHERE left(h.key, 512) = left(first_key, 512) AND h.key = first_key AND NOT h.waits LIMIT 1;
  IF holder <> first_token THEN RETURN true; END IF;
  IF NOT has_several THEN RETURN false; END IF;
  RETURN EXISTS (
    SELECT FROM "holdfast_lock".queue q
    LEFT JOIN LATERAL (
      SELECT h.token FROM "holdfast_lock".queue h
      WHERE left(h.key, 512) = left(q.key, 512) AND h.key = q.key AND NOT h.waits LIMIT 1
    ) holds ON true
    WHERE q.number = request AND CASE
      WHEN holds.token IS NOT NULL THEN holds.token <> q.token
      ELSE EXISTS (
        SELECT FROM "holdfast_lock".queue w
        WHERE left(w.key, 512) = left(q.key, 512) AND w.key = q.key AND w.waits AND w.number < q.number)
    END);
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".grant(
  request bigint, to_caller boolean, has_several boolean, first_key text, now double precision
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  greatest_token bigint;
  shares boolean;
BEGIN

  WITH turn AS (
    UPDATE "holdfast_lock".queue q SET
      waits = false, since = now, claimed = to_caller,
      due = now + CASE WHEN to_caller THEN q.ttl ELSE least(q.ttl, 1000) END,
      lasting = to_caller AND q.ttl > 60000,
      token = CASE WHEN q.token = q.number THEN q.number ELSE coalesce((
        SELECT h.token FROM "holdfast_lock".queue h
        WHERE left(h.key, 512) = left(q.key, 512) AND h.key = q.key AND NOT h.waits LIMIT 1), q.number) END,
      lease = q.number
    WHERE q.number = request
    RETURNING q.token)
  SELECT max(turn.token), bool_or(turn.token <> request) INTO greatest_token, shares FROM turn;
  IF shares THEN
    UPDATE "holdfast_lock".queue q SET lease = greatest_token WHERE q.number = request;
    PERFORM "holdfast_lock".take_over(request, now);
  END IF;
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".take_over(newer bigint, now double precision) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  older record;
BEGIN
  FOR older IN
    DELETE FROM "holdfast_lock".queue o USING "holdfast_lock".queue n
    WHERE n.number = newer AND left(o.key, 512) = left(n.key, 512) AND o.key = n.key AND NOT o.waits AND o.id = n.id AND o.number <> newer
    RETURNING o.session, o.seq, o.lease, o.claimed
  LOOP
    IF NOT older.claimed THEN
      PERFORM "holdfast_lock".note_end(older.session, older.seq, older.lease, false, now);
    END IF;
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".note_end(
  ended_session text, seq bigint, lease bigint, taken boolean, now double precision
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "holdfast_lock".session AS s (session, ended, at) VALUES (ended_session, ARRAY[json_build_array(seq, lease, taken)], now)
    ON CONFLICT (session) DO UPDATE SET ended = s.ended || excluded.ended, at = now;

  DELETE FROM "holdfast_lock".session s WHERE s.wake_at IS NULL AND s.at < now - 86400000;
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".acknowledged(caller text, is_waiting boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM "holdfast_lock".session s WHERE s.session = caller AND NOT is_waiting AND s.given_up IS NULL;
  IF NOT FOUND THEN
    UPDATE "holdfast_lock".session s SET ended = NULL, wake_at = CASE WHEN is_waiting THEN s.wake_at END
      WHERE s.session = caller;
  END IF;
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".release(
  now double precision, release_of int[], release_key text[], release_id text[], release_token bigint[],
  OUT released int[], OUT left_keys text[]
) LANGUAGE plpgsql AS $$
DECLARE
  unclaimed json;
BEGIN
  WITH gone AS (
    DELETE FROM "holdfast_lock".queue q USING unnest(release_of, release_key, release_id, release_token) r(of, key, id, token)
    WHERE left(q.key, 512) = left(r.key, 512) AND q.key = r.key AND NOT q.waits AND q.id = r.id AND (r.token IS NULL OR q.lease = r.token)
    RETURNING r.of, q.key, q.session, q.seq, q.lease, q.claimed)
  SELECT array_agg(g.of),
    array_agg(g.key) FILTER (WHERE EXISTS (SELECT FROM "holdfast_lock".queue w WHERE left(w.key, 512) = left(g.key, 512) AND w.key = g.key AND w.waits)),
    json_agg(g.*) FILTER (WHERE NOT g.claimed)
    INTO released, left_keys, unclaimed FROM gone g;
  IF unclaimed IS NOT NULL THEN
    PERFORM "holdfast_lock".note_end(u.session, u.seq, u.lease, false, now)
      FROM json_to_recordset(unclaimed) u(session text, seq bigint, lease bigint);
  END IF;
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".widen(longest_ttl double precision, last_number bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'on', true);
  UPDATE "holdfast_lock".horizon h SET ttl = greatest(h.ttl, longest_ttl), number = greatest(h.number, last_number);
  UPDATE "holdfast_lock".epoch e SET ttl = h.ttl, number = h.number FROM "holdfast_lock".horizon h;
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".renew(
  now double precision,
  renew_of int[], renew_key text[], renew_id text[], renew_token bigint[], renew_ttl double precision[]
) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
  renewed int[];
BEGIN
  WITH found AS (
    SELECT r.of, r.ttl, (
      SELECT q.number FROM "holdfast_lock".queue q
      WHERE left(q.key, 512) = left(r.key, 512) AND q.key = r.key AND NOT q.waits
        AND q.id = r.id AND (r.token IS NULL OR q.lease = r.token) LIMIT 1) AS number
    FROM unnest(renew_of, renew_key, renew_id, renew_token, renew_ttl) r(of, key, id, token, ttl)),
  held AS (SELECT f.of FROM found f GROUP BY f.of HAVING bool_and(f.number IS NOT NULL)),
  latest AS (
    SELECT DISTINCT ON (f.number) f.number, f.ttl FROM found f WHERE f.of IN (SELECT h.of FROM held h)
    ORDER BY f.number, f.of DESC),
  renewing AS (
    UPDATE "holdfast_lock".queue q SET due = now + l.ttl, lasting = l.ttl > 60000
    FROM latest l WHERE q.number = l.number)
  SELECT array_agg(h.of) INTO renewed FROM held h;
  RETURN renewed;
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".schedule_wakeups(
  caller text, now double precision, is_waiting boolean, recovering_until double precision
) RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
  first_due double precision;
  known_time double precision;
BEGIN
  SELECT q.due INTO first_due FROM "holdfast_lock".queue q WHERE q.due IS NOT NULL ORDER BY q.due LIMIT 1;
  first_due := least(first_due, recovering_until, 'Infinity');
  IF EXISTS (SELECT FROM "holdfast_lock".session s WHERE s.wake_at > first_due AND s.session <> caller) THEN

    WITH late AS (
      UPDATE "holdfast_lock".session s SET wake_at = first_due
      WHERE s.wake_at > first_due AND s.session <> caller
        AND (SELECT true FROM "holdfast_lock".queue q WHERE q.session = s.session AND NOT q.claimed AND q.waits LIMIT 1)
      RETURNING s.session)
    SELECT count(pg_notify('holdfast_' || l.session, (first_due - now)::text)) INTO known_time FROM late l;
  END IF;
  IF NOT is_waiting THEN RETURN NULL; END IF;
  SELECT s.wake_at INTO known_time FROM "holdfast_lock".session s WHERE s.session = caller;
  IF known_time > now AND known_time <= first_due THEN RETURN known_time; END IF;
  INSERT INTO "holdfast_lock".session (session, wake_at, at) VALUES (caller, first_due, now)
    ON CONFLICT (session) DO UPDATE SET wake_at = excluded.wake_at, at = now;
  RETURN first_due;
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".grants_of(granted bigint[]) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT json_agg(CASE
    WHEN lease.differ THEN json_build_array(lease.seq, lease.token, lease.tokens)
    ELSE json_build_array(lease.seq, lease.token) END)
  FROM (
    SELECT q.seq, max(q.token) AS token, bool_or(q.token <> q.number) AS differ, json_object_agg(q.key, q.token) AS tokens
    FROM "holdfast_lock".queue q WHERE q.number = ANY (granted) GROUP BY q.number, q.seq ORDER BY q.number
  ) lease);
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".keep_lasting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'on', true);
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM "holdfast_lock".lasting l WHERE l.number = OLD.number AND l.key = OLD.key;
  END IF;
  IF TG_OP <> 'DELETE' AND NEW.lasting THEN INSERT INTO "holdfast_lock".lasting SELECT NEW.*; END IF;
  RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS lasting_begins ON "holdfast_lock".queue;
DROP TRIGGER IF EXISTS lasting_changes ON "holdfast_lock".queue;
DROP TRIGGER IF EXISTS lasting_ends ON "holdfast_lock".queue;
CREATE TRIGGER lasting_begins AFTER INSERT ON "holdfast_lock".queue FOR EACH ROW
  WHEN (NEW.lasting) EXECUTE FUNCTION "holdfast_lock".keep_lasting();
CREATE TRIGGER lasting_changes AFTER UPDATE ON "holdfast_lock".queue FOR EACH ROW
  WHEN (NEW.lasting OR OLD.lasting) EXECUTE FUNCTION "holdfast_lock".keep_lasting();
CREATE TRIGGER lasting_ends AFTER DELETE ON "holdfast_lock".queue FOR EACH ROW
  WHEN (OLD.lasting) EXECUTE FUNCTION "holdfast_lock".keep_lasting();

CREATE OR REPLACE FUNCTION "holdfast_lock".execute(
  caller text, this_turn bigint, given_up_turn bigint, has_waiting boolean, longest_ttl double precision,
  renew_of int[], renew_key text[], renew_id text[], renew_token bigint[], renew_ttl double precision[],
  release_of int[], release_key text[], release_id text[], release_token bigint[],
  cancel_seq bigint[], cancel_key text[],
  acquire_of int[], acquire_key text[], acquire_seq bigint[], acquire_id text[], acquire_owner text[],
  acquire_ttl double precision[], acquire_wait boolean[], acquire_alone boolean[],
  recall_seq bigint[], recall_key text[]
) RETURNS text LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET jit = off SET plan_cache_mode = force_generic_plan AS $$
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
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'Holdfast locks at read committed only, not at %', current_setting('transaction_isolation')
      USING ERRCODE = 'HF001', HINT = 'Set default_transaction_isolation for the role or the connection.';
  END IF;
  PERFORM pg_advisory_xact_lock(-7781600488059421711);
  PERFORM set_config('synchronous_commit', 'off', true);
  now := date_part('epoch', clock_timestamp()) * 1000;
  SELECT e.recovering_until, e.ttl, e.number,
    EXISTS (SELECT FROM "holdfast_lock".queue q WHERE q.due <= now) AS overdue,
    EXISTS (SELECT FROM "holdfast_lock".session s WHERE s.wake_at IS NOT NULL) AS others_wait,
    me.wake_at, me.ended, me.given_up
    INTO state FROM "holdfast_lock".epoch e LEFT JOIN "holdfast_lock".session me ON me.session = caller WHERE e.one;
  IF NOT FOUND THEN
    PERFORM "holdfast_lock".recover(now);
    SELECT e.recovering_until, e.ttl, e.number, true AS overdue, false AS others_wait, NULL::float AS wake_at,
      NULL::json[] AS ended, NULL::bigint AS given_up INTO state FROM "holdfast_lock".epoch e;
  END IF;
  IF state.given_up >= this_turn THEN
    RAISE EXCEPTION 'The session has given up this batch' USING ERRCODE = 'HF002';
  END IF;
  IF given_up_turn IS NOT NULL THEN
    INSERT INTO "holdfast_lock".session (session, given_up, at) VALUES (caller, given_up_turn, now)
      ON CONFLICT (session) DO UPDATE SET given_up = excluded.given_up, at = now;
  END IF;
  IF longest_ttl > state.ttl THEN PERFORM "holdfast_lock".widen(longest_ttl, 0); END IF;

  IF state.overdue OR state.recovering_until <= now THEN
    changed := "holdfast_lock".expire(now);
    SELECT s.wake_at INTO state.wake_at FROM "holdfast_lock".session s WHERE s.session = caller;
  END IF;
  recovering := state.recovering_until > now;
  lost := has_waiting AND state.wake_at IS NULL;

  IF cardinality(renew_of) > 0 THEN
    renewed := "holdfast_lock".renew(now, renew_of, renew_key, renew_id, renew_token, renew_ttl);
  END IF;
  IF cardinality(release_of) > 0 THEN
    SELECT r.gone, changed || r.left_keys INTO released, changed
      FROM "holdfast_lock".release(now, release_of, release_key, release_id, release_token) r(gone, left_keys);
  END IF;
  IF cardinality(cancel_seq) > 0 THEN

    WITH waiting AS (
      DELETE FROM "holdfast_lock".queue q
      WHERE q.session = caller AND q.waits AND NOT q.claimed AND q.seq = ANY (cancel_seq)
      RETURNING q.key),
    held AS (
      DELETE FROM "holdfast_lock".queue q USING unnest(cancel_seq, cancel_key) c(seq, key)
      WHERE left(q.key, 512) = left(c.key, 512) AND q.key = c.key AND NOT q.waits AND q.session = caller AND q.seq = c.seq
      RETURNING q.key)
    SELECT changed || array_agg(DISTINCT g.key) INTO changed
      FROM (SELECT w.key FROM waiting w UNION ALL SELECT h.key FROM held h) g;
  END IF;
  IF cardinality(changed) > 0 AND recovering IS NOT TRUE THEN
    granted := "holdfast_lock".advance(caller, now, changed);
  END IF;

  IF true = ANY (acquire_alone) AND recovering IS NOT TRUE THEN
    WITH placing_rows AS (
      INSERT INTO "holdfast_lock".queue
      SELECT a.key, false, a.number, a.number, a.number, true, now + a.ttl, now, a.ttl,
        a.ttl > 60000, false, caller, a.seq, a.id, a.owner
      FROM (
        SELECT r.*, nextval('"holdfast_lock".number') AS number
        FROM unnest(acquire_key, acquire_seq, acquire_id, acquire_owner, acquire_ttl, acquire_alone)
          r(key, seq, id, owner, ttl, alone)
        WHERE r.alone AND NOT EXISTS (SELECT FROM "holdfast_lock".queue q WHERE left(q.key, 512) = left(r.key, 512) AND q.key = r.key)
      ) a
      RETURNING number, seq)
    SELECT array_agg(p.seq), array_agg(p.number) INTO placed, numbers FROM placing_rows p;
  END IF;
  IF cardinality(acquire_of) > coalesce(cardinality(placed), 0) THEN
    SELECT granted || a.held, a.busy, a.waits, numbers || a.last_one
      INTO granted, refused, is_waiting, numbers
      FROM "holdfast_lock".acquire(caller, now, coalesce(recovering, false), coalesce(placed, '{}'), acquire_of, acquire_key,
        acquire_seq, acquire_id, acquire_owner, acquire_ttl, acquire_wait) a(held, busy, waits, last_one);
  END IF;
  IF numbers[cardinality(numbers)] > state.number THEN
    PERFORM "holdfast_lock".widen(0, numbers[cardinality(numbers)] + 1000000);
  END IF;

  IF state.wake_at IS NOT NULL THEN
    WITH mine AS (
      UPDATE "holdfast_lock".queue q SET claimed = true, due = now + q.ttl, lasting = q.ttl > 60000
      WHERE q.session = caller AND NOT q.claimed AND NOT q.waits RETURNING q.number)
    SELECT granted || array_agg(DISTINCT m.number) INTO granted FROM mine m;
    is_waiting := EXISTS (SELECT FROM "holdfast_lock".queue q WHERE q.session = caller AND NOT q.claimed);
  END IF;
  IF state.others_wait OR is_waiting THEN
    wake_in := "holdfast_lock".schedule_wakeups(caller, now, is_waiting, CASE WHEN recovering THEN state.recovering_until END) - now;
  END IF;
  IF state.ended IS NOT NULL OR (state.wake_at IS NOT NULL AND NOT is_waiting) THEN
    PERFORM "holdfast_lock".acknowledged(caller, is_waiting);
  END IF;
  IF cardinality(recall_seq) > 0 THEN

    UPDATE "holdfast_lock".queue q SET due = now + q.ttl FROM unnest(recall_seq, recall_key) r(seq, key)
      WHERE left(q.key, 512) = left(r.key, 512) AND q.key = r.key AND q.session = caller AND q.seq = r.seq AND NOT q.waits;
    SELECT array_agg(DISTINCT q.seq), granted || array_agg(DISTINCT q.number) FILTER (WHERE NOT q.waits)
      INTO recalled, granted FROM (
        SELECT w.seq, w.number, w.waits FROM "holdfast_lock".queue w WHERE w.session = caller AND w.waits AND NOT w.claimed
        UNION ALL
        SELECT h.seq, h.number, h.waits FROM unnest(recall_seq, recall_key) r(seq, key)
          JOIN "holdfast_lock".queue h ON left(h.key, 512) = left(r.key, 512) AND h.key = r.key AND NOT h.waits AND h.session = caller AND h.seq = r.seq) q;
  END IF;

  RETURN concat('{"renewed":', coalesce(array_to_json(renewed), '[]'), ',"released":', coalesce(array_to_json(released), '[]'),
    ',"placed":', coalesce(array_to_json(placed), '[]'), ',"numbers":', coalesce(array_to_json(numbers), '[]'),
    ',"granted":', CASE WHEN cardinality(granted) > 0 THEN coalesce("holdfast_lock".grants_of(granted), '[]') ELSE '[]' END,
    ',"refused":', coalesce(refused, '[]'), ',"ended":', coalesce(array_to_json(state.ended), '[]'),
    ',"recalled":', coalesce(array_to_json(recalled), '[]'), ',"lost":', CASE WHEN lost THEN 'true' ELSE 'false' END,
    ',"wakeIn":', CASE WHEN wake_in < 'Infinity' THEN wake_in::text ELSE 'null' END, '}');
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".acquire(
  caller text, now double precision, recovering boolean, placed bigint[],
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
        SELECT h.owner FROM "holdfast_lock".queue h WHERE left(h.key, 512) = left(k.key, 512) AND h.key = k.key AND NOT h.waits LIMIT 1) holds ON true
      WHERE recovering OR CASE WHEN holds.owner IS NOT NULL THEN holds.owner <> request.owner
        ELSE EXISTS (SELECT FROM "holdfast_lock".queue w WHERE left(w.key, 512) = left(k.key, 512) AND w.key = k.key AND w.waits) END
      ORDER BY k.place LIMIT 1;
    IF busy IS NOT NULL AND NOT request.wait THEN
      refusals := refusals || json_build_array(request.seq, busy);
      CONTINUE;
    END IF;
    last_number := nextval('"holdfast_lock".number');

    INSERT INTO "holdfast_lock".queue
      SELECT k.key, busy IS NOT NULL, last_number, coalesce(holds.token, last_number),
        max(coalesce(holds.token, last_number)) OVER (), busy IS NULL,
        CASE WHEN busy IS NULL THEN now + request.ttl END, now, request.ttl,
        busy IS NULL AND request.ttl > 60000, cardinality(request.keys) > 1,
        caller, request.seq, request.id, request.owner
      FROM unnest(request.keys) k(key)
      LEFT JOIN LATERAL (
        SELECT h.token FROM "holdfast_lock".queue h
        WHERE left(h.key, 512) = left(k.key, 512) AND h.key = k.key AND NOT h.waits AND h.owner = request.owner LIMIT 1) holds ON true;
    IF busy IS NULL THEN
      PERFORM "holdfast_lock".take_over(last_number, now);
      granted := granted || last_number;
    ELSE
      is_waiting := true;
    END IF;
  END LOOP;
  refused := array_to_json(refusals);
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".acquire_one(
  caller text, this_turn bigint, asked_seq bigint, target text, lease_id text, lease_owner text,
  lease_ttl double precision, may_wait boolean
) RETURNS text LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
  now double precision;
  given bigint;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'Holdfast locks at read committed only, not at %', current_setting('transaction_isolation')
      USING ERRCODE = 'HF001', HINT = 'Set default_transaction_isolation for the role or the connection.';
  END IF;
  PERFORM pg_advisory_xact_lock(-7781600488059421711);
  PERFORM set_config('synchronous_commit', 'off', true);
  now := date_part('epoch', clock_timestamp()) * 1000;
  INSERT INTO "holdfast_lock".queue
    SELECT target, false, e.next, e.next, e.next, true, now + lease_ttl, now, lease_ttl, false, false,
      caller, asked_seq, lease_id, lease_owner
    FROM (SELECT e.*, nextval('"holdfast_lock".number') AS next FROM "holdfast_lock".epoch e) e
    WHERE e.one AND e.recovering_until IS NULL
      AND NOT EXISTS (SELECT FROM "holdfast_lock".queue q WHERE q.due <= now)
      AND NOT EXISTS (SELECT FROM "holdfast_lock".session s WHERE s.session = caller)
      AND NOT EXISTS (SELECT FROM "holdfast_lock".session s WHERE s.wake_at IS NOT NULL) AND e.ttl >= lease_ttl AND e.number >= e.next AND lease_ttl > 0
      AND NOT EXISTS (SELECT FROM "holdfast_lock".queue q WHERE left(q.key, 512) = left(target, 512) AND q.key = target)
    RETURNING number INTO given;
  IF FOUND THEN RETURN given; END IF;

  IF lease_ttl = 0 THEN RETURN NULL; END IF;
  RETURN "holdfast_lock".execute(caller, this_turn, NULL, false,
    CASE WHEN lease_ttl <= 60000 THEN lease_ttl ELSE 0 END,
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
    ARRAY[1], ARRAY[target], ARRAY[asked_seq], ARRAY[lease_id], ARRAY[lease_owner], ARRAY[lease_ttl], ARRAY[may_wait],
    ARRAY[true], '{}', '{}');
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".release_one(
  caller text, this_turn bigint, target text, lease_id text, held_token bigint
) RETURNS text LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
  now double precision;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'Holdfast locks at read committed only, not at %', current_setting('transaction_isolation')
      USING ERRCODE = 'HF001', HINT = 'Set default_transaction_isolation for the role or the connection.';
  END IF;
  PERFORM pg_advisory_xact_lock(-7781600488059421711);
  PERFORM set_config('synchronous_commit', 'off', true);
  now := date_part('epoch', clock_timestamp()) * 1000;
  DELETE FROM "holdfast_lock".queue l USING "holdfast_lock".epoch e
    WHERE left(l.key, 512) = left(target, 512) AND l.key = target AND NOT l.waits AND l.claimed AND l.id = lease_id
      AND (held_token IS NULL OR l.lease = held_token) AND e.one AND e.recovering_until IS NULL
      AND NOT EXISTS (SELECT FROM "holdfast_lock".queue q WHERE q.due <= now)
      AND NOT EXISTS (SELECT FROM "holdfast_lock".session s WHERE s.session = caller)
      AND NOT EXISTS (SELECT FROM "holdfast_lock".session s WHERE s.wake_at IS NOT NULL);
  IF FOUND THEN RETURN 'true'; END IF;
  RETURN "holdfast_lock".execute(caller, this_turn, NULL, false, 0,
    '{}', '{}', '{}', '{}', '{}', ARRAY[1], ARRAY[target], ARRAY[lease_id], ARRAY[held_token], '{}', '{}',
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".hand_off(
  caller text, this_turn bigint, target text, lease_id text, held_token bigint
) RETURNS text LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  now double precision;
  first record;
  is_waiting boolean;
  wake_in double precision;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'Holdfast locks at read committed only, not at %', current_setting('transaction_isolation')
      USING ERRCODE = 'HF001', HINT = 'Set default_transaction_isolation for the role or the connection.';
  END IF;
  PERFORM pg_advisory_xact_lock(-7781600488059421711);
  PERFORM set_config('synchronous_commit', 'off', true);
  now := date_part('epoch', clock_timestamp()) * 1000;
  SELECT q.number, q.session, q.seq INTO first FROM (
      SELECT w.* FROM "holdfast_lock".queue w WHERE left(w.key, 512) = left(target, 512) AND w.key = target AND w.waits
      ORDER BY left(w.key, 512), w.waits, w.number LIMIT 1) q
    WHERE NOT q.several AND q.token = q.number
      AND NOT EXISTS (SELECT FROM "holdfast_lock".queue h WHERE left(h.key, 512) = left(target, 512) AND h.key = target AND NOT h.waits
        AND (h.id <> lease_id OR NOT h.claimed OR h.lease <> held_token))
      AND NOT EXISTS (SELECT FROM "holdfast_lock".queue o WHERE o.due <= now)
      AND NOT EXISTS (SELECT FROM "holdfast_lock".queue u WHERE u.session = caller AND NOT u.waits AND NOT u.claimed)
      AND EXISTS (SELECT FROM "holdfast_lock".epoch e WHERE e.one AND e.recovering_until IS NULL)
      AND EXISTS (SELECT FROM "holdfast_lock".session s WHERE s.session = caller AND s.wake_at IS NOT NULL
        AND s.ended IS NULL AND (s.given_up IS NULL OR s.given_up < this_turn));
  IF FOUND THEN DELETE FROM "holdfast_lock".queue l WHERE left(l.key, 512) = left(target, 512) AND l.key = target AND NOT l.waits; END IF;
  IF NOT FOUND THEN
    RETURN "holdfast_lock".execute(caller, this_turn, NULL, true, 0,
    '{}', '{}', '{}', '{}', '{}', ARRAY[1], ARRAY[target], ARRAY[lease_id], ARRAY[held_token], '{}', '{}',
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
  END IF;
  PERFORM "holdfast_lock".grant(first.number, first.session = caller, false, target, now);
  IF first.session <> caller THEN PERFORM pg_notify('holdfast_' || first.session, '0'); END IF;
  is_waiting := EXISTS (SELECT FROM "holdfast_lock".queue q WHERE q.session = caller AND NOT q.claimed);
  wake_in := "holdfast_lock".schedule_wakeups(caller, now, is_waiting, NULL) - now;
  IF NOT is_waiting THEN PERFORM "holdfast_lock".acknowledged(caller, false); END IF;
  RETURN concat('{"released":[1],"granted":[', CASE WHEN first.session = caller THEN concat('[', first.seq, ',', first.number, ']') END,
    '],"wakeIn":', CASE WHEN wake_in < 'Infinity' THEN wake_in::text ELSE 'null' END, '}');
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".recover_and_expire(now double precision) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM "holdfast_lock".epoch) THEN PERFORM "holdfast_lock".recover(now); END IF;
  RETURN "holdfast_lock".expire(now);
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".advance_and_wake(now double precision, changed text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF cardinality(changed) > 0 AND NOT EXISTS (SELECT FROM "holdfast_lock".epoch e WHERE e.recovering_until > now) THEN
    PERFORM "holdfast_lock".advance('', now, changed);
  END IF;
  PERFORM "holdfast_lock".schedule_wakeups('', now, false, NULL);
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".inspect() RETURNS text LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  now double precision;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'Holdfast locks at read committed only, not at %', current_setting('transaction_isolation')
      USING ERRCODE = 'HF001', HINT = 'Set default_transaction_isolation for the role or the connection.';
  END IF;
  PERFORM pg_advisory_xact_lock(-7781600488059421711);
  PERFORM set_config('synchronous_commit', 'off', true);
  now := date_part('epoch', clock_timestamp()) * 1000;
  PERFORM "holdfast_lock".advance_and_wake(now, "holdfast_lock".recover_and_expire(now));
  RETURN (SELECT coalesce(json_agg(json_build_object('key', q.key, 'number', q.number, 'waits', q.waits, 'token', q.token,
      'id', q.id, 'owner', q.owner, 'age', now - q.since, 'expiresIn', CASE WHEN q.due < 'Infinity' THEN q.due - now END)
      ORDER BY q.key, q.waits, q.number), '[]') FROM "holdfast_lock".queue q);
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".force_release(target text) RETURNS boolean LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  now double precision;
  changed text[];
  lease record;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'Holdfast locks at read committed only, not at %', current_setting('transaction_isolation')
      USING ERRCODE = 'HF001', HINT = 'Set default_transaction_isolation for the role or the connection.';
  END IF;
  PERFORM pg_advisory_xact_lock(-7781600488059421711);
  PERFORM set_config('synchronous_commit', 'off', true);
  now := date_part('epoch', clock_timestamp()) * 1000;

  PERFORM "holdfast_lock".advance_and_wake(now, "holdfast_lock".recover_and_expire(now));
  FOR lease IN
    WITH gone AS (
      DELETE FROM "holdfast_lock".queue q WHERE q.number IN (
        SELECT h.number FROM "holdfast_lock".queue h WHERE left(h.key, 512) = left(target, 512) AND h.key = target AND NOT h.waits)
      RETURNING q.key, q.session, q.seq, q.lease)
    SELECT g.session, g.seq, g.lease, array_agg(g.key) AS keys FROM gone g GROUP BY g.session, g.seq, g.lease
  LOOP
    PERFORM "holdfast_lock".note_end(lease.session, lease.seq, lease.lease, true, now);
    PERFORM pg_notify('holdfast_' || lease.session, '0');
    changed := changed || lease.keys;
  END LOOP;
  PERFORM "holdfast_lock".advance_and_wake(now, changed);
  RETURN changed IS NOT NULL;
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".close_session(caller text) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  now double precision;
  changed text[];
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'Holdfast locks at read committed only, not at %', current_setting('transaction_isolation')
      USING ERRCODE = 'HF001', HINT = 'Set default_transaction_isolation for the role or the connection.';
  END IF;
  PERFORM pg_advisory_xact_lock(-7781600488059421711);
  PERFORM set_config('synchronous_commit', 'off', true);
  now := date_part('epoch', clock_timestamp()) * 1000;
  changed := "holdfast_lock".recover_and_expire(now);
  changed := changed || "holdfast_lock".drop_sessions(ARRAY[caller]);
  DELETE FROM "holdfast_lock".session s WHERE s.session = caller;
  PERFORM "holdfast_lock".advance_and_wake(now, changed);
END $$;

CREATE OR REPLACE FUNCTION "holdfast_lock".version() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 6';
