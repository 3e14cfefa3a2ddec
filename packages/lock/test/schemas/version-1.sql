CREATE SCHEMA IF NOT EXISTS holdfast_lock;

CREATE UNLOGGED TABLE IF NOT EXISTS holdfast_lock.queue (
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
CREATE INDEX IF NOT EXISTS queue_turn ON holdfast_lock.queue (left(key, 512), waits, number);
CREATE INDEX IF NOT EXISTS queue_number ON holdfast_lock.queue (number);
CREATE INDEX IF NOT EXISTS queue_due ON holdfast_lock.queue (due) WHERE due IS NOT NULL;
CREATE INDEX IF NOT EXISTS queue_unclaimed ON holdfast_lock.queue (session) WHERE NOT claimed;

CREATE UNLOGGED TABLE IF NOT EXISTS holdfast_lock.waiting (
  session text COLLATE "C" PRIMARY KEY,
  ask_at double precision NOT NULL
);
CREATE INDEX IF NOT EXISTS waiting_ask_at ON holdfast_lock.waiting (ask_at);

CREATE UNLOGGED TABLE IF NOT EXISTS holdfast_lock.ended (
  session text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  lease bigint NOT NULL,
  taken boolean NOT NULL,
  at double precision NOT NULL
);
CREATE INDEX IF NOT EXISTS ended_session ON holdfast_lock.ended (session);

CREATE UNLOGGED TABLE IF NOT EXISTS holdfast_lock.given_up (
  session text COLLATE "C" PRIMARY KEY,
  turn bigint NOT NULL,
  at double precision NOT NULL
);

CREATE UNLOGGED TABLE IF NOT EXISTS holdfast_lock.epoch (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  barred_until double precision
);

CREATE TABLE IF NOT EXISTS holdfast_lock.horizon (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  version integer NOT NULL,
  ttl double precision NOT NULL,
  number bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS holdfast_lock.lasting (LIKE holdfast_lock.queue);
CREATE INDEX IF NOT EXISTS lasting_number ON holdfast_lock.lasting (number);

INSERT INTO holdfast_lock.horizon (version, ttl, number) VALUES (1, 0, 0) ON CONFLICT DO NOTHING;

CREATE SEQUENCE IF NOT EXISTS holdfast_lock.number;

CREATE OR REPLACE FUNCTION holdfast_lock.recover(now double precision) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO holdfast_lock.epoch (barred_until) SELECT nullif(now + h.ttl, now) FROM holdfast_lock.horizon h;
  WITH kept AS (DELETE FROM holdfast_lock.lasting l RETURNING l.*)
  INSERT INTO holdfast_lock.queue SELECT * FROM kept WHERE kept.due > now;
  PERFORM setval('holdfast_lock.number', greatest(h.number, (now * 1000)::bigint)) FROM holdfast_lock.horizon h;
END $$;

CREATE OR REPLACE FUNCTION holdfast_lock.expire(now double precision) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  silent text[];
  left_keys text[];
BEGIN
  silent := ARRAY(SELECT DISTINCT q.session FROM holdfast_lock.queue q WHERE q.due <= now AND NOT q.claimed);
  WITH gone AS (DELETE FROM holdfast_lock.queue q WHERE q.due <= now RETURNING q.key)
  SELECT array_agg(DISTINCT gone.key) INTO left_keys FROM gone;
  IF cardinality(silent) > 0 THEN
    left_keys := left_keys || holdfast_lock.drop_sessions(silent);
  END IF;
  UPDATE holdfast_lock.epoch SET barred_until = NULL WHERE barred_until <= now;
  IF FOUND THEN
    left_keys := left_keys || ARRAY(SELECT DISTINCT q.key FROM holdfast_lock.queue q WHERE q.waits);
  END IF;
  RETURN left_keys;
END $$;

CREATE OR REPLACE FUNCTION holdfast_lock.drop_sessions(silent text[]) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  left_keys text[];
BEGIN
  WITH gone AS (DELETE FROM holdfast_lock.queue q WHERE q.session = ANY (silent) AND NOT q.claimed RETURNING q.key)
  SELECT array_agg(DISTINCT gone.key) INTO left_keys FROM gone;
  DELETE FROM holdfast_lock.waiting w WHERE w.session = ANY (silent);
  DELETE FROM holdfast_lock.ended e WHERE e.session = ANY (silent) AND NOT e.taken;
  RETURN left_keys;
END $$;

CREATE OR REPLACE FUNCTION holdfast_lock.advance(asker text, now double precision, changed text[])
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  changed_key text;
  first record;
  granted bigint[] := '{}';
BEGIN
  FOREACH changed_key IN ARRAY changed LOOP
    SELECT q.number, q.session, q.several, q.token INTO first FROM holdfast_lock.queue q
      WHERE left(q.key, 512) = left(changed_key, 512) AND q.key = changed_key AND q.waits
      ORDER BY left(q.key, 512), q.waits, q.number LIMIT 1;
    CONTINUE WHEN NOT FOUND;
    CONTINUE WHEN holdfast_lock.is_blocked(first.number, first.several, changed_key, first.token);
    PERFORM holdfast_lock.grant_turn(first.number, first.session = asker, first.several, changed_key, now);
    IF first.session = asker THEN granted := granted || first.number;
    ELSE PERFORM pg_notify('holdfast_' || first.session, '0');
    END IF;
  END LOOP;
  RETURN granted;
END $$;

CREATE OR REPLACE FUNCTION holdfast_lock.is_blocked(
  request bigint, has_several boolean, first_key text, first_token bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  holder bigint;
BEGIN
  SELECT h.token INTO holder FROM holdfast_lock.queue h
    WHERE left(h.key, 512) = left(first_key, 512) AND h.key = first_key AND NOT h.waits LIMIT 1;
  IF holder <> first_token THEN RETURN true; END IF;
  IF NOT has_several THEN RETURN false; END IF;
  RETURN EXISTS (
    SELECT FROM holdfast_lock.queue q
    LEFT JOIN LATERAL (
      SELECT h.token FROM holdfast_lock.queue h
      WHERE left(h.key, 512) = left(q.key, 512) AND h.key = q.key AND NOT h.waits LIMIT 1
    ) holds ON true
    WHERE q.number = request AND CASE
      WHEN holds.token IS NOT NULL THEN holds.token <> q.token
      ELSE EXISTS (
        SELECT FROM holdfast_lock.queue w
        WHERE left(w.key, 512) = left(q.key, 512) AND w.key = q.key AND w.waits AND w.number < q.number)
    END);
END $$;

CREATE OR REPLACE FUNCTION holdfast_lock.grant_turn(
  request bigint, to_asker boolean, has_several boolean, first_key text, now double precision
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  greatest_token bigint;
  shares boolean;
BEGIN
  WITH turn AS (
    UPDATE holdfast_lock.queue q SET
      waits = false, since = now, claimed = to_asker,
      due = now + CASE WHEN to_asker THEN q.ttl ELSE least(q.ttl, 1000) END,
      lasting = to_asker AND q.ttl > 60000,
      token = CASE WHEN q.token = q.number THEN q.number ELSE coalesce((
        SELECT h.token FROM holdfast_lock.queue h
        WHERE left(h.key, 512) = left(q.key, 512) AND h.key = q.key AND NOT h.waits LIMIT 1), q.number) END,
      lease = q.number
    WHERE q.number = request
    RETURNING q.token)
  SELECT max(turn.token), bool_or(turn.token <> request) INTO greatest_token, shares FROM turn;
  IF shares THEN
    UPDATE holdfast_lock.queue q SET lease = greatest_token WHERE q.number = request;
    PERFORM holdfast_lock.take_over(request, now);
  END IF;
END $$;

CREATE OR REPLACE FUNCTION holdfast_lock.take_over(newer bigint, now double precision) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH gone AS (
    DELETE FROM holdfast_lock.queue o USING holdfast_lock.queue n
    WHERE n.number = newer AND left(o.key, 512) = left(n.key, 512) AND o.key = n.key
      AND NOT o.waits AND o.id = n.id AND o.number <> newer
    RETURNING o.session, o.seq, o.lease, o.claimed)
  INSERT INTO holdfast_lock.ended SELECT DISTINCT g.session, g.seq, g.lease, false, now FROM gone g WHERE NOT g.claimed;
END $$;

CREATE OR REPLACE FUNCTION holdfast_lock.renew(
  now double precision,
  renew_of int[], renew_key text[], renew_id text[], renew_token bigint[], renew_ttl double precision[]
) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
  renewed int[];
BEGIN
  WITH found AS (
    SELECT r.of, r.ttl, (
      SELECT q.number FROM holdfast_lock.queue q
      WHERE left(q.key, 512) = left(r.key, 512) AND q.key = r.key AND NOT q.waits
        AND q.id = r.id AND (r.token IS NULL OR q.lease = r.token) LIMIT 1) AS number
    FROM unnest(renew_of, renew_key, renew_id, renew_token, renew_ttl) r(of, key, id, token, ttl)),
  held AS (SELECT f.of FROM found f GROUP BY f.of HAVING bool_and(f.number IS NOT NULL)),
  latest AS (
    SELECT DISTINCT ON (f.number) f.number, f.ttl FROM found f WHERE f.of IN (SELECT h.of FROM held h)
    ORDER BY f.number, f.of DESC),
  renewing AS (
    UPDATE holdfast_lock.queue q SET due = now + l.ttl, lasting = l.ttl > 60000
    FROM latest l WHERE q.number = l.number)
  SELECT array_agg(h.of) INTO renewed FROM held h;
  RETURN renewed;
END $$;

CREATE OR REPLACE FUNCTION holdfast_lock.look_out(
  asker text, now double precision, is_waiting boolean, barred_until double precision
) RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
  first_due double precision := 'Infinity';
  told double precision;
BEGIN
  SELECT q.due INTO first_due FROM holdfast_lock.queue q WHERE q.due IS NOT NULL ORDER BY q.due LIMIT 1;
  first_due := least(first_due, barred_until, 'Infinity');
  WITH late AS (
    UPDATE holdfast_lock.waiting w SET ask_at = first_due
    WHERE w.ask_at > first_due AND w.session <> asker RETURNING w.session)
  SELECT count(pg_notify('holdfast_' || l.session, (first_due - now)::text)) INTO told FROM late l;
  IF NOT is_waiting THEN RETURN NULL; END IF;
  SELECT w.ask_at INTO told FROM holdfast_lock.waiting w WHERE w.session = asker;
  IF told > now AND told <= first_due THEN RETURN told; END IF;
  INSERT INTO holdfast_lock.waiting VALUES (asker, first_due)
    ON CONFLICT (session) DO UPDATE SET ask_at = excluded.ask_at;
  RETURN first_due;
END $$;

CREATE OR REPLACE FUNCTION holdfast_lock.grants_of(granted bigint[]) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT json_agg(CASE
    WHEN lease.differ THEN json_build_array(lease.seq, lease.token, lease.tokens)
    ELSE json_build_array(lease.seq, lease.token) END)
  FROM (
    SELECT q.seq, max(q.token) AS token, bool_or(q.token <> q.number) AS differ, json_object_agg(q.key, q.token) AS tokens
    FROM holdfast_lock.queue q WHERE q.number = ANY (granted) GROUP BY q.number, q.seq ORDER BY q.number
  ) lease);
END $$;

CREATE OR REPLACE FUNCTION holdfast_lock.keep_lasting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'on', true);
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM holdfast_lock.lasting l WHERE l.number = OLD.number AND l.key = OLD.key;
  END IF;
  IF TG_OP <> 'DELETE' AND NEW.lasting THEN INSERT INTO holdfast_lock.lasting SELECT NEW.*; END IF;
  RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS lasting_begins ON holdfast_lock.queue;
DROP TRIGGER IF EXISTS lasting_changes ON holdfast_lock.queue;
DROP TRIGGER IF EXISTS lasting_ends ON holdfast_lock.queue;
CREATE TRIGGER lasting_begins AFTER INSERT ON holdfast_lock.queue FOR EACH ROW
  WHEN (NEW.lasting) EXECUTE FUNCTION holdfast_lock.keep_lasting();
CREATE TRIGGER lasting_changes AFTER UPDATE ON holdfast_lock.queue FOR EACH ROW
  WHEN (NEW.lasting OR OLD.lasting) EXECUTE FUNCTION holdfast_lock.keep_lasting();
CREATE TRIGGER lasting_ends AFTER DELETE ON holdfast_lock.queue FOR EACH ROW
  WHEN (OLD.lasting) EXECUTE FUNCTION holdfast_lock.keep_lasting();

CREATE OR REPLACE FUNCTION holdfast_lock.latch() RETURNS double precision LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'Holdfast locks at read committed only, not at %', current_setting('transaction_isolation')
      USING ERRCODE = 'HF001', HINT = 'Set default_transaction_isolation for the role or the connection.';
  END IF;
  PERFORM pg_advisory_xact_lock(-7781600488059421711);
  PERFORM set_config('synchronous_commit', 'off', true);
  RETURN date_part('epoch', clock_timestamp()) * 1000;
END $$;

CREATE OR REPLACE FUNCTION holdfast_lock.ask(
  asker text, this_turn bigint, given_up_turn bigint, has_waiting boolean, longest_ttl double precision,
  renew_of int[], renew_key text[], renew_id text[], renew_token bigint[], renew_ttl double precision[],
  release_of int[], release_key text[], release_id text[], release_token bigint[],
  cancel_seq bigint[], cancel_key text[],
  acquire_of int[], acquire_key text[], acquire_seq bigint[], acquire_id text[], acquire_owner text[],
  acquire_ttl double precision[], acquire_wait boolean[], acquire_alone boolean[],
  recall_seq bigint[], recall_key text[]
) RETURNS text LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  now double precision := holdfast_lock.latch();
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
    EXISTS (SELECT FROM holdfast_lock.queue q WHERE q.due <= now) AS overdue,
    (SELECT w.ask_at FROM holdfast_lock.waiting w WHERE w.session = asker) AS ask_at,
    EXISTS (SELECT FROM holdfast_lock.waiting w) AS crowded,
    EXISTS (SELECT FROM holdfast_lock.ended e WHERE e.session = asker) AS has_ended,
    EXISTS (SELECT FROM holdfast_lock.given_up g WHERE g.session = asker AND g.turn >= this_turn) AS void
    INTO state FROM holdfast_lock.horizon h LEFT JOIN holdfast_lock.epoch e ON e.one WHERE h.one;
  IF state.crashed THEN
    PERFORM holdfast_lock.recover(now);
    SELECT e.barred_until INTO state.barred_until FROM holdfast_lock.epoch e;
  END IF;
  IF state.void THEN
    RAISE EXCEPTION 'This question was given up by its session' USING ERRCODE = 'HF002';
  END IF;
  IF given_up_turn IS NOT NULL THEN
    DELETE FROM holdfast_lock.given_up g WHERE g.at < now - 86400000;
    INSERT INTO holdfast_lock.given_up VALUES (asker, given_up_turn, now)
      ON CONFLICT (session) DO UPDATE SET turn = excluded.turn, at = excluded.at;
  END IF;
  IF longest_ttl > state.ttl THEN
    PERFORM set_config('synchronous_commit', 'on', true);
    UPDATE holdfast_lock.horizon h SET ttl = longest_ttl WHERE h.one;
  END IF;

  IF state.overdue OR state.barred_until <= now THEN changed := holdfast_lock.expire(now); END IF;
  barred := coalesce(state.barred_until > now, false);
  IF has_waiting AND (state.overdue OR state.ask_at IS NULL) THEN
    is_lost := NOT EXISTS (SELECT FROM holdfast_lock.waiting w WHERE w.session = asker);
  END IF;

  IF cardinality(renew_of) > 0 THEN
    renewed := holdfast_lock.renew(now, renew_of, renew_key, renew_id, renew_token, renew_ttl);
  END IF;

  IF cardinality(release_of) > 0 THEN
    WITH gone AS (
      DELETE FROM holdfast_lock.queue q USING unnest(release_of, release_key, release_id, release_token) r(of, key, id, token)
      WHERE left(q.key, 512) = left(r.key, 512) AND q.key = r.key AND NOT q.waits
        AND q.id = r.id AND (r.token IS NULL OR q.lease = r.token)
      RETURNING r.of, q.key, q.session, q.seq, q.lease, q.claimed),
    unknown AS (
      INSERT INTO holdfast_lock.ended SELECT DISTINCT g.session, g.seq, g.lease, false, now FROM gone g WHERE NOT g.claimed)
    SELECT array_agg(g.of), changed || array_agg(g.key) FILTER (WHERE state.crowded AND EXISTS (
        SELECT FROM holdfast_lock.queue w WHERE left(w.key, 512) = left(g.key, 512) AND w.key = g.key AND w.waits))
      INTO released, changed FROM gone g;
  END IF;

  IF cardinality(cancel_seq) > 0 THEN
    WITH gone AS (
      DELETE FROM holdfast_lock.queue q USING unnest(cancel_seq, cancel_key) c(seq, key)
      WHERE left(q.key, 512) = left(c.key, 512) AND q.key = c.key AND q.session = asker AND q.seq = c.seq
      RETURNING q.key)
    SELECT changed || array_agg(DISTINCT g.key) INTO changed FROM gone g;
  END IF;

  IF cardinality(changed) > 0 AND NOT barred THEN granted := holdfast_lock.advance(asker, now, changed); END IF;

  IF cardinality(acquire_of) > 0 THEN
    IF NOT barred AND true = ANY (acquire_alone) THEN
      WITH placed_rows AS (
        INSERT INTO holdfast_lock.queue
        SELECT a.key, false, a.number, a.number, a.number, true, now + a.ttl, now, a.ttl,
          a.ttl > 60000, false, asker, a.seq, a.id, a.owner
        FROM (
          SELECT r.*, nextval('holdfast_lock.number') AS number
          FROM unnest(acquire_key, acquire_seq, acquire_id, acquire_owner, acquire_ttl, acquire_alone)
            r(key, seq, id, owner, ttl, alone)
          WHERE r.alone AND NOT EXISTS (
            SELECT FROM holdfast_lock.queue q WHERE left(q.key, 512) = left(r.key, 512) AND q.key = r.key)
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
            SELECT h.owner FROM holdfast_lock.queue h
            WHERE left(h.key, 512) = left(k.key, 512) AND h.key = k.key AND NOT h.waits LIMIT 1) holds ON true
          WHERE barred OR CASE WHEN holds.owner IS NOT NULL THEN holds.owner <> request.owner ELSE EXISTS (
            SELECT FROM holdfast_lock.queue w WHERE left(w.key, 512) = left(k.key, 512) AND w.key = k.key AND w.waits) END
          ORDER BY k.place LIMIT 1;
        IF busy IS NOT NULL AND NOT request.wait THEN
          refused := refused || jsonb_build_array(request.seq, busy);
          CONTINUE;
        END IF;
        arrival := nextval('holdfast_lock.number');
        last_number := arrival;
        INSERT INTO holdfast_lock.queue
          SELECT k.key, busy IS NOT NULL, arrival, coalesce(holds.token, arrival),
            max(coalesce(holds.token, arrival)) OVER (), busy IS NULL,
            CASE WHEN busy IS NULL THEN now + request.ttl END, now, request.ttl,
            busy IS NULL AND request.ttl > 60000, cardinality(request.keys) > 1,
            asker, request.seq, request.id, request.owner
          FROM unnest(request.keys) k(key)
          LEFT JOIN LATERAL (
            SELECT h.token FROM holdfast_lock.queue h
            WHERE left(h.key, 512) = left(k.key, 512) AND h.key = k.key AND NOT h.waits AND h.owner = request.owner
            LIMIT 1) holds ON true;
        IF busy IS NULL THEN
          PERFORM holdfast_lock.take_over(arrival, now);
          granted := granted || arrival;
        ELSE
          is_waiting := true;
        END IF;
      END LOOP;
    END IF;
    IF last_number > state.number THEN
      PERFORM set_config('synchronous_commit', 'on', true);
      UPDATE holdfast_lock.horizon h SET number = last_number + 1000000 WHERE h.one;
    END IF;
  END IF;

  IF state.ask_at IS NOT NULL THEN
    WITH mine AS (
      UPDATE holdfast_lock.queue q SET claimed = true, due = now + q.ttl, lasting = q.ttl > 60000
      WHERE q.session = asker AND NOT q.claimed AND NOT q.waits RETURNING q.number)
    SELECT granted || array_agg(DISTINCT m.number) INTO granted FROM mine m;
    is_waiting := EXISTS (SELECT FROM holdfast_lock.queue q WHERE q.session = asker AND NOT q.claimed);
    IF NOT is_waiting THEN DELETE FROM holdfast_lock.waiting w WHERE w.session = asker; END IF;
  END IF;
  IF state.crowded OR is_waiting THEN
    first_due := holdfast_lock.look_out(asker, now, is_waiting, CASE WHEN barred THEN state.barred_until END);
    IF first_due < 'Infinity' THEN ask_in := first_due - now; END IF;
  END IF;

  IF cardinality(recall_seq) > 0 THEN
    SELECT array_agg(DISTINCT q.seq), granted || array_agg(DISTINCT q.number) FILTER (WHERE NOT q.waits)
      INTO recalled, granted FROM unnest(recall_seq, recall_key) r(seq, key)
      JOIN holdfast_lock.queue q ON left(q.key, 512) = left(r.key, 512) AND q.key = r.key AND q.session = asker AND q.seq = r.seq;
  END IF;
  IF cardinality(granted) > 0 THEN grants := holdfast_lock.grants_of(granted); END IF;
  IF state.has_ended THEN
    WITH told AS (DELETE FROM holdfast_lock.ended e WHERE e.session = asker RETURNING e.seq, e.lease, e.taken)
    SELECT json_agg(json_build_array(t.seq, t.lease, t.taken)) INTO ends FROM told t;
  END IF;
  RETURN json_build_object('renewed', renewed, 'released', released, 'placed', placed, 'numbers', numbers,
    'granted', grants, 'refused', refused, 'ended', ends, 'lost', is_lost, 'recalled', recalled, 'askIn', ask_in);
END $$;

CREATE OR REPLACE FUNCTION holdfast_lock.pass_time(now double precision) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM holdfast_lock.epoch) THEN PERFORM holdfast_lock.recover(now); END IF;
  RETURN holdfast_lock.expire(now);
END $$;

CREATE OR REPLACE FUNCTION holdfast_lock.settle(now double precision, changed text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF cardinality(changed) > 0 AND NOT EXISTS (SELECT FROM holdfast_lock.epoch e WHERE e.barred_until > now) THEN
    PERFORM holdfast_lock.advance('', now, changed);
  END IF;
  PERFORM holdfast_lock.look_out('', now, false, NULL);
END $$;

CREATE OR REPLACE FUNCTION holdfast_lock.inspect() RETURNS text LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  now double precision := holdfast_lock.latch();
BEGIN
  PERFORM holdfast_lock.settle(now, holdfast_lock.pass_time(now));
  RETURN (SELECT coalesce(json_agg(json_build_object('key', q.key, 'number', q.number, 'waits', q.waits, 'token', q.token,
      'id', q.id, 'owner', q.owner, 'age', now - q.since, 'expiresIn', CASE WHEN q.due < 'Infinity' THEN q.due - now END)
      ORDER BY q.key, q.waits, q.number), '[]') FROM holdfast_lock.queue q);
END $$;

CREATE OR REPLACE FUNCTION holdfast_lock.force_release(target text) RETURNS boolean LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  now double precision := holdfast_lock.latch();
  changed text[] := holdfast_lock.pass_time(now);
  has_ended boolean;
BEGIN
  PERFORM holdfast_lock.settle(now, changed);
  DELETE FROM holdfast_lock.ended e WHERE e.at < now - 3600000;
  WITH gone AS (
    DELETE FROM holdfast_lock.queue q WHERE q.number IN (
      SELECT h.number FROM holdfast_lock.queue h
      WHERE left(h.key, 512) = left(target, 512) AND h.key = target AND NOT h.waits)
    RETURNING q.key, q.session, q.seq, q.lease),
  told AS (INSERT INTO holdfast_lock.ended SELECT DISTINCT g.session, g.seq, g.lease, true, now FROM gone g)
  SELECT array_agg(g.key), bool_or(pg_notify('holdfast_' || g.session, '0') IS NOT NULL) INTO changed, has_ended FROM gone g;
  PERFORM holdfast_lock.settle(now, changed);
  RETURN coalesce(has_ended, false);
END $$;

CREATE OR REPLACE FUNCTION holdfast_lock.leave(asker text) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  now double precision := holdfast_lock.latch();
  changed text[] := holdfast_lock.pass_time(now);
BEGIN
  changed := changed || holdfast_lock.drop_sessions(ARRAY[asker]);
  DELETE FROM holdfast_lock.ended e WHERE e.session = asker;
  DELETE FROM holdfast_lock.given_up g WHERE g.session = asker;
  PERFORM holdfast_lock.settle(now, changed);
END $$;

CREATE OR REPLACE FUNCTION holdfast_lock.version() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';
