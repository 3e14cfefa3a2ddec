import type { Names } from "./names.js"

/** The newest token that a writer has shown for each key. It outlasts everything. */
export const fenceTable = ({ schema }: Pick<Names, "schema">) => `
CREATE SCHEMA IF NOT EXISTS ${schema};
CREATE TABLE IF NOT EXISTS ${schema}.fence (
  id text COLLATE "C" PRIMARY KEY,  -- the key's SHA-256: the key itself may be too long for an index
  key text COLLATE "C" NOT NULL,
  token bigint NOT NULL
);
`

/**
 * Where the rules of `lock-table.ts` keep their state. All of it is UNLOGGED, for speed: a crash of the server empties
 * it, and `recover` in `rules.ts` keeps new grants out until every forgotten lease must have expired.
 * Times are ms since 1970 by the server's clock, and `Infinity` is a time as well.
 */
export const tables = ({ schema }: Names) => `
CREATE SCHEMA IF NOT EXISTS ${schema};

-- A request that waits, or a lease: a row for each of its keys.
CREATE UNLOGGED TABLE IF NOT EXISTS ${schema}.queue (
  key text COLLATE "C" NOT NULL,
  waits boolean NOT NULL,
  number bigint NOT NULL,           -- of the request, in the order of arrival
  token bigint NOT NULL,            -- on this key: the number, or that of the lease that it re-enters
  lease bigint NOT NULL,            -- the greatest token of its keys, once it is held
  claimed boolean NOT NULL,         -- whether its session knows that it holds
  due double precision,             -- when it ends; none for what waits
  since double precision NOT NULL,
  ttl double precision NOT NULL,
  lasting boolean NOT NULL,         -- ends later than a restart is waited for: has a copy in ${schema}.lasting
  several boolean NOT NULL,         -- has more keys than this one
  session text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  id text COLLATE "C" NOT NULL,
  owner text COLLATE "C" NOT NULL,
  holds bigint[]                    -- of what waits: the numbers of the leases that are kept until it is served
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000000000);
-- A key of 1,024 characters is too long for an index: its beginning is in it, and the whole is compared.
CREATE INDEX IF NOT EXISTS queue_turn ON ${schema}.queue (left(key, 512), waits, number);
CREATE INDEX IF NOT EXISTS queue_number ON ${schema}.queue (number);
CREATE INDEX IF NOT EXISTS queue_due ON ${schema}.queue (due) WHERE due IS NOT NULL;
-- Of what waits, or was granted and not collected; a lease costs nothing here.
CREATE INDEX IF NOT EXISTS queue_waiting ON ${schema}.queue (session, waits, seq) WHERE NOT claimed;
-- Of what waits and holds leases meanwhile, which is little.
CREATE INDEX IF NOT EXISTS queue_holding ON ${schema}.queue (number) WHERE waits AND holds IS NOT NULL;

-- A session that waits, or that has ended leases to acknowledge.
CREATE UNLOGGED TABLE IF NOT EXISTS ${schema}.session (
  session text COLLATE "C" PRIMARY KEY,
  wake_at double precision,         -- when it calls again, as far as it knows; none where it doesn't wait
  ended json[],                     -- leases that others have ended: seq, token, and whether they were taken away
  given_up bigint,                  -- the last turn whose answer it didn't get: the server may still execute it
  at double precision NOT NULL
);
CREATE INDEX IF NOT EXISTS session_wake_at ON ${schema}.session (wake_at) WHERE wake_at IS NOT NULL;

-- What must outlast a crash, flushed to the disk when it changes and so hardly ever changed.
CREATE TABLE IF NOT EXISTS ${schema}.horizon (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  ttl double precision NOT NULL,    -- no lease that a crash forgets is for longer
  number bigint NOT NULL            -- no number that has been given out is greater
);
INSERT INTO ${schema}.horizon (ttl, number) VALUES (0, 0) ON CONFLICT DO NOTHING;

-- A copy of it that a crash empties: so the crash is noticed.
CREATE UNLOGGED TABLE IF NOT EXISTS ${schema}.epoch (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  ttl double precision NOT NULL,
  number bigint NOT NULL,
  recovering_until double precision -- nothing is granted before this time
);

-- Leases for longer than that, which a crash must not forget.
CREATE TABLE IF NOT EXISTS ${schema}.lasting (LIKE ${schema}.queue);
CREATE INDEX IF NOT EXISTS lasting_number ON ${schema}.lasting (number);

CREATE SEQUENCE IF NOT EXISTS ${schema}.number;
`
