import { Migration } from "@medusajs/framework/mikro-orm/migrations"

/**
 * From two statuses in flight to a state machine with a timeline. Payments that exist keep what became of them, get their
 * searchable columns from their newest event, and a timeline from their events.
 */
export class Migration20261127190000 extends Migration {
  override async up(): Promise<void> {
    // Written by hand: a default that is the present, a bigint, and states that the code's table knows, not a check.
    this.addSql(`
      ALTER TABLE stripe_event ALTER COLUMN payload TYPE text USING payload::text;
      DROP INDEX IF EXISTS "IDX_stripe_event_payment_intent_id";
      CREATE INDEX IF NOT EXISTS "IDX_stripe_event_payment_intent_id" ON stripe_event (payment_intent_id)
        WHERE payment_intent_id IS NOT NULL AND deleted_at IS NULL;`)
    this.addSql(`
      ALTER TABLE stripe_payment DROP CONSTRAINT IF EXISTS stripe_payment_status_check;
      ALTER TABLE stripe_payment
        ALTER COLUMN arrival TYPE bigint,
        ADD COLUMN IF NOT EXISTS amount bigint,
        ADD COLUMN IF NOT EXISTS currency text,
        ADD COLUMN IF NOT EXISTS email text,
        ADD COLUMN IF NOT EXISTS name text,
        ADD COLUMN IF NOT EXISTS created timestamptz,
        ADD COLUMN IF NOT EXISTS livemode boolean,
        ADD COLUMN IF NOT EXISTS account text,
        ADD COLUMN IF NOT EXISTS payment_method text,
        ADD COLUMN IF NOT EXISTS payment_method_type text,
        ADD COLUMN IF NOT EXISTS latest_charge text,
        ADD COLUMN IF NOT EXISTS status_since timestamptz NOT NULL DEFAULT clock_timestamp(),
        ADD COLUMN IF NOT EXISTS claim text,
        ADD COLUMN IF NOT EXISTS snapshot text,
        ADD COLUMN IF NOT EXISTS snapshot_at timestamptz,
        ADD COLUMN IF NOT EXISTS snapshot_revision integer;
      ALTER SEQUENCE stripe_payment_arrival_seq AS bigint;`)
    // An order of Medusa's own cart completion was called completed without a look at its capture.
    this.addSql(`
      UPDATE stripe_payment
         SET status = CASE WHEN status = 'returning' THEN 'refunding' WHEN status = 'cancelled' THEN 'canceled'
                           WHEN status = 'completed' AND captured_at IS NULL AND order_id IS NOT NULL
                           THEN 'awaiting_capture' ELSE status END,
             placed_at = CASE WHEN status = 'completed' THEN COALESCE(placed_at, updated_at) ELSE placed_at END,
             status_since = updated_at, claimed_by = NULL, claimed_until = NULL,
             due_at = COALESCE(due_at, now());
      ALTER TABLE stripe_payment
        ALTER COLUMN due_at SET DEFAULT clock_timestamp(), ALTER COLUMN due_at SET NOT NULL;`)
    this.addSql(`
      UPDATE stripe_payment AS payment
         SET amount = (intent->>'amount')::bigint,
             currency = intent->>'currency',
             email = left(COALESCE(intent->'metadata'->>'email', intent->>'receipt_email'), 500),
             name = left(intent->'shipping'->>'name', 500),
             created = to_timestamp((intent->>'created')::float8),
             livemode = event.livemode,
             account = body->>'account',
             payment_method = CASE jsonb_typeof(intent->'payment_method')
               WHEN 'string' THEN intent->>'payment_method' ELSE intent->'payment_method'->>'id' END,
             payment_method_type = CASE WHEN jsonb_array_length(COALESCE(intent->'payment_method_types', '[]')) = 1
               THEN intent->'payment_method_types'->>0 END,
             latest_charge = CASE jsonb_typeof(intent->'latest_charge')
               WHEN 'string' THEN intent->>'latest_charge' ELSE intent->'latest_charge'->>'id' END
        FROM (SELECT DISTINCT ON (payment_intent_id) payment_intent_id, livemode, payload::jsonb AS body,
                     payload::jsonb->'data'->'object' AS intent
                FROM stripe_event
               WHERE payment_intent_id IS NOT NULL AND type LIKE 'payment_intent.%'
               ORDER BY payment_intent_id, created DESC) AS event
       WHERE event.payment_intent_id = payment.id;
      DO $$ BEGIN
        -- On a new database the order module's tables may be made after ours.
        IF to_regclass('"order"') IS NOT NULL THEN
          UPDATE stripe_payment AS payment SET email = COALESCE(left("order".email, 500), payment.email)
            FROM "order" WHERE "order".id = payment.order_id;
        END IF;
      END $$;`)
    this.addSql(`
      CREATE TABLE IF NOT EXISTS stripe_timeline (
        id bigserial PRIMARY KEY,
        payment_intent_id text NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        kind text NOT NULL CHECK (kind IN ('event', 'attempt', 'decision', 'stripe_call', 'action')),
        actor text NOT NULL,
        status text NOT NULL,
        text text NOT NULL,
        data jsonb,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        deleted_at timestamptz);
      CREATE INDEX IF NOT EXISTS "IDX_stripe_timeline_payment_intent_id_id" ON stripe_timeline (payment_intent_id, id)
        WHERE deleted_at IS NULL;
      CREATE TABLE IF NOT EXISTS stripe_lease (
        id text PRIMARY KEY,
        holder text NOT NULL,
        expires_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        deleted_at timestamptz);
      CREATE TABLE IF NOT EXISTS stripe_cursor (
        id text PRIMARY KEY,
        since timestamptz NOT NULL,
        position timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        deleted_at timestamptz);`)
    this.addSql(`
      INSERT INTO stripe_timeline (payment_intent_id, at, kind, actor, status, text, data)
      SELECT event.payment_intent_id, event.created_at, 'event', 'Stripe', payment.status, 'Stripe sent ' || event.type,
             jsonb_build_object('event_id', event.id)
        FROM stripe_event AS event JOIN stripe_payment AS payment ON payment.id = event.payment_intent_id
       ORDER BY event.created_at;
      INSERT INTO stripe_timeline (payment_intent_id, at, kind, actor, status, text, data)
      SELECT id, updated_at, 'decision', 'Holdfast', status,
             COALESCE(reason, 'Was ' || status || ' before its timeline was kept'),
             CASE WHEN order_id IS NOT NULL THEN jsonb_build_object('order_id', order_id) END
        FROM stripe_payment;`)
    this.addSql(`
      DROP INDEX IF EXISTS "IDX_stripe_payment_due_at";
      DROP INDEX IF EXISTS "IDX_stripe_payment_status";
      CREATE INDEX IF NOT EXISTS "IDX_stripe_payment_status_arrival" ON stripe_payment (status, arrival)
        WHERE deleted_at IS NULL;
      CREATE INDEX IF NOT EXISTS "IDX_stripe_payment_status_due_at" ON stripe_payment (status, due_at)
        WHERE deleted_at IS NULL;
      CREATE INDEX IF NOT EXISTS "IDX_stripe_payment_arrival" ON stripe_payment (arrival) WHERE deleted_at IS NULL;
      CREATE INDEX IF NOT EXISTS "IDX_stripe_payment_claim" ON stripe_payment (claim) WHERE claim IS NOT NULL;
      CREATE INDEX IF NOT EXISTS "IDX_stripe_payment_email" ON stripe_payment (lower(email) text_pattern_ops)
        WHERE email IS NOT NULL;
      CREATE INDEX IF NOT EXISTS "IDX_stripe_payment_name" ON stripe_payment (lower(name) text_pattern_ops)
        WHERE name IS NOT NULL;
      CREATE INDEX IF NOT EXISTS "IDX_stripe_payment_name_words" ON stripe_payment USING gin (to_tsvector('simple', name))
        WHERE name IS NOT NULL;
      CREATE INDEX IF NOT EXISTS "IDX_stripe_payment_latest_charge" ON stripe_payment (latest_charge)
        WHERE latest_charge IS NOT NULL;
      CREATE INDEX IF NOT EXISTS "IDX_stripe_payment_cart_id" ON stripe_payment (cart_id) WHERE cart_id IS NOT NULL;
      -- An order that is edited after it was paid has a second payment.
      DROP INDEX IF EXISTS "IDX_stripe_payment_order_id_unique";
      CREATE INDEX IF NOT EXISTS "IDX_stripe_payment_order_id" ON stripe_payment (order_id) WHERE order_id IS NOT NULL;`)
  }

  override async down(): Promise<void> {
    this.addSql(`
      DROP TABLE IF EXISTS stripe_timeline;
      DROP TABLE IF EXISTS stripe_lease;
      DROP TABLE IF EXISTS stripe_cursor;
      -- Text that was signed may hold what Postgres can't have in JSON: a NUL, half of a surrogate pair.
      CREATE FUNCTION pg_temp.as_json(payload text) RETURNS jsonb LANGUAGE plpgsql AS $$
        BEGIN RETURN payload::jsonb;
        EXCEPTION WHEN data_exception THEN
          RETURN regexp_replace(payload, '\\\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\\\ufffd', 'g')::jsonb;
        END $$;
      DROP INDEX IF EXISTS "IDX_stripe_event_payment_intent_id";
      ALTER TABLE stripe_event ALTER COLUMN payload TYPE jsonb USING pg_temp.as_json(payload);
      CREATE INDEX IF NOT EXISTS "IDX_stripe_event_payment_intent_id" ON stripe_event (payment_intent_id)
        WHERE status = 'pending' AND deleted_at IS NULL;`)
    this.addSql(`
      DROP INDEX IF EXISTS "IDX_stripe_payment_status_arrival";
      DROP INDEX IF EXISTS "IDX_stripe_payment_status_due_at";
      DROP INDEX IF EXISTS "IDX_stripe_payment_arrival";
      DROP INDEX IF EXISTS "IDX_stripe_payment_cart_id";
      DROP INDEX IF EXISTS "IDX_stripe_payment_order_id";
      UPDATE stripe_payment AS later SET order_id = NULL
       WHERE EXISTS (SELECT 1 FROM stripe_payment AS first
                      WHERE first.order_id = later.order_id AND first.arrival < later.arrival);
      CREATE UNIQUE INDEX IF NOT EXISTS "IDX_stripe_payment_order_id_unique" ON stripe_payment (order_id)
        WHERE order_id IS NOT NULL AND deleted_at IS NULL;
      ALTER TABLE stripe_payment ALTER COLUMN due_at DROP NOT NULL, ALTER COLUMN due_at DROP DEFAULT,
        ALTER COLUMN arrival TYPE integer,
        DROP COLUMN amount, DROP COLUMN currency, DROP COLUMN email, DROP COLUMN name, DROP COLUMN created,
        DROP COLUMN livemode, DROP COLUMN account, DROP COLUMN payment_method, DROP COLUMN payment_method_type,
        DROP COLUMN latest_charge, DROP COLUMN status_since, DROP COLUMN claim, DROP COLUMN snapshot,
        DROP COLUMN snapshot_at, DROP COLUMN snapshot_revision;
      ALTER SEQUENCE stripe_payment_arrival_seq AS integer;
      UPDATE stripe_payment SET status = 'pending' WHERE status = 'completing';
      UPDATE stripe_payment SET status = CASE status WHEN 'refunding' THEN 'returning' WHEN 'canceled' THEN 'cancelled'
        WHEN 'lookup' THEN 'pending' WHEN 'awaiting_payment' THEN 'pending' WHEN 'completing' THEN 'pending'
        WHEN 'awaiting_capture' THEN 'completed'
        WHEN 'money_moved' THEN 'completed' WHEN 'disputed' THEN 'review' WHEN 'ignored' THEN 'void'
        WHEN 'dismissed' THEN 'void' ELSE status END;
      UPDATE stripe_payment SET due_at = NULL WHERE status NOT IN ('pending', 'ordered', 'returning');
      ALTER TABLE stripe_payment ADD CONSTRAINT stripe_payment_status_check CHECK (status IN ('pending', 'ordered',
        'completed', 'returning', 'refunded', 'cancelled', 'void', 'review'));
      CREATE INDEX IF NOT EXISTS "IDX_stripe_payment_due_at" ON stripe_payment (due_at)
        WHERE due_at IS NOT NULL AND deleted_at IS NULL;
      CREATE INDEX IF NOT EXISTS "IDX_stripe_payment_status" ON stripe_payment (status) WHERE deleted_at IS NULL;`)
  }
}
