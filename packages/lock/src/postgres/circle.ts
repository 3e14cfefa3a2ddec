import { type Names, sameKey } from "./names.js"

/** The search of `circle.ts` beside the rules. It runs only for a request that waits and holds leases. */
export const circle = ({ schema }: Names) => `
-- What a waiting request waits for: other requests, each with the key and, where it keeps that, the lease of the key.
-- A request for one key before it in the queue is left out: it waits for nothing that those behind it don't wait for, too.
CREATE OR REPLACE FUNCTION ${schema}.waits_for(request bigint)
RETURNS TABLE (number bigint, key text, lease bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    SELECT y.number, r.key, h.number FROM ${schema}.queue r
      JOIN ${schema}.queue h ON ${sameKey("h", "r.key")} AND NOT h.waits AND h.token <> r.token
      JOIN ${schema}.queue y ON y.waits AND y.holds IS NOT NULL AND h.number = ANY (y.holds)
      WHERE r.number = request AND r.waits
    UNION ALL
    SELECT v.number, r.key, NULL FROM ${schema}.queue r
      JOIN ${schema}.queue v ON ${sameKey("v", "r.key")} AND v.waits AND v.number < r.number AND v.several
      WHERE r.number = request AND r.waits AND NOT EXISTS (
        SELECT FROM ${schema}.queue h WHERE ${sameKey("h", "r.key")} AND NOT h.waits AND h.token = r.token);
END $$;

-- The circle that a request has closed which has just been queued, as JSON: its members, or null. It has to pass through
-- a lease that the request holds: where no request waits for one of those, there is nothing to search.
CREATE OR REPLACE FUNCTION ${schema}.circle_closed_by(closing bigint, held bigint[]) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
  requests bigint[] := ARRAY[closing];
  froms int[] := '{0}';
  keys text[] := '{""}';
  leases bigint[] := '{0}';
  at int := 1;
  step record;
BEGIN
  IF NOT EXISTS (
    SELECT FROM ${schema}.queue l JOIN ${schema}.queue w ON ${sameKey("w", "l.key")} AND w.waits
    WHERE l.number = ANY (held)) THEN RETURN NULL;
  END IF;
  -- Breadth first, so that the circle is a shortest one.
  WHILE at <= cardinality(requests) LOOP
    FOR step IN SELECT w.number, w.key, w.lease FROM ${schema}.waits_for(requests[at]) w LOOP
      CONTINUE WHEN step.number <> closing AND step.number = ANY (requests);
      requests := requests || step.number;
      froms := froms || at;
      keys := keys || step.key;
      leases := leases || step.lease;
      IF step.number = closing THEN RETURN ${schema}.members_of(requests, froms, keys, leases); END IF;
    END LOOP;
    at := at + 1;
  END LOOP;
  RETURN NULL;
END $$;

-- The members of the circle that the last step of a search has closed: ID, OWNER, KEYS, the key that it waits for, and of
-- the lease that has it ID and OWNER.
CREATE OR REPLACE FUNCTION ${schema}.members_of(requests bigint[], froms int[], keys text[], leases bigint[])
RETURNS json LANGUAGE plpgsql AS $$
DECLARE
  members json[] := '{}';
  step int := cardinality(requests);
BEGIN
  WHILE froms[step] > 0 LOOP
    members := (
      SELECT json_build_array(min(q.id), min(q.owner), json_agg(q.key), keys[step], min(l.id), min(l.owner))
      FROM ${schema}.queue q
      LEFT JOIN LATERAL (SELECT h.id, h.owner FROM ${schema}.queue h WHERE h.number = leases[step] LIMIT 1) l ON true
      WHERE q.number = requests[froms[step]]
    ) || members;
    step := froms[step];
  END LOOP;
  RETURN array_to_json(members);
END $$;
`
