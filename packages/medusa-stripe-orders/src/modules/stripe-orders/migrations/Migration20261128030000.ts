import { Migration } from "@medusajs/framework/mikro-orm/migrations"

/**
 * Orders of a part of what was paid for, orders of Stripe's Checkout, customers found without regard to case, buyers who
 * ask about their payment, events for the store's bus, and stock that is held while the buyer pays.
 */
export class Migration20261128030000 extends Migration {
  override async up(): Promise<void> {
    this.addSql(`
      ALTER TABLE stripe_payment ADD COLUMN IF NOT EXISTS order_amount bigint, ADD COLUMN IF NOT EXISTS checkout text,
        ADD COLUMN IF NOT EXISTS resume_to text, ADD COLUMN IF NOT EXISTS resume_reason text,
        ADD COLUMN IF NOT EXISTS backorders boolean NOT NULL DEFAULT false;
      DO $$ BEGIN
        -- On a new database Medusa's own tables may be made after ours.
        IF to_regclass('customer') IS NOT NULL THEN
          CREATE INDEX IF NOT EXISTS "IDX_customer_email_lower" ON customer (lower(email)) WHERE deleted_at IS NULL;
        END IF;
      END $$;`)
    // A buyer proves with the client's secret whose payment it is. Events that are stored have it; from now on only its hash is kept.
    this.addSql(`
      ALTER TABLE stripe_payment ADD COLUMN IF NOT EXISTS client_secret_hash text,
        ADD COLUMN IF NOT EXISTS session_hash text;
      CREATE INDEX IF NOT EXISTS "IDX_stripe_payment_session_hash" ON stripe_payment (session_hash)
        WHERE session_hash IS NOT NULL;
      UPDATE stripe_payment AS payment SET client_secret_hash = encode(sha256(convert_to(event.secret, 'UTF8')), 'hex')
        FROM (SELECT DISTINCT payment_intent_id, substring(payload FROM '"client_secret"\\s*:\\s*"(pi_[A-Za-z0-9_]+)"') AS secret
                FROM stripe_event
               WHERE type LIKE 'payment_intent.%' AND payload IS NOT NULL) AS event
       WHERE event.payment_intent_id = payment.id AND starts_with(event.secret, payment.id || '_secret_');`)
    // What became of payments before is not told anew when they are looked at again.
    this.addSql(`
      CREATE TABLE IF NOT EXISTS stripe_outbox (
        id bigserial PRIMARY KEY,
        event_id text NOT NULL DEFAULT gen_random_uuid(),
        name text NOT NULL,
        payment_intent_id text NOT NULL,
        order_id text,
        reason text,
        sent_at timestamptz,
        attempts integer NOT NULL DEFAULT 0,
        due_at timestamptz NOT NULL DEFAULT now(),
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        deleted_at timestamptz);
      ALTER TABLE stripe_payment ADD COLUMN IF NOT EXISTS told text;
      UPDATE stripe_payment
         SET told = CASE status WHEN 'money_moved' THEN 'completed' ELSE status END || COALESCE(': ' || reason, '')
       WHERE status IN ('ordered', 'completed', 'money_moved', 'disputed', 'refunded', 'canceled', 'review');`)
    this.addSql(`
      CREATE TABLE IF NOT EXISTS stripe_hold (
        id text PRIMARY KEY,
        customer_id text,
        ip_hash text,
        lines jsonb NOT NULL,
        reservation_ids text[] NOT NULL,
        held_since timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        kept_until timestamptz NOT NULL,
        claimed_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        deleted_at timestamptz
      );
      CREATE INDEX IF NOT EXISTS "IDX_stripe_hold_kept_until" ON stripe_hold (kept_until);
      CREATE INDEX IF NOT EXISTS "IDX_stripe_hold_customer_id" ON stripe_hold (customer_id) WHERE customer_id IS NOT NULL;
      CREATE INDEX IF NOT EXISTS "IDX_stripe_hold_ip_hash" ON stripe_hold (ip_hash) WHERE ip_hash IS NOT NULL;`)
  }

  override async down(): Promise<void> {
    this.addSql(`
      UPDATE stripe_payment SET status = 'money_moved' WHERE status = 'refunding_rest';
      ALTER TABLE stripe_payment DROP COLUMN IF EXISTS order_amount, DROP COLUMN IF EXISTS checkout,
        DROP COLUMN IF EXISTS client_secret_hash, DROP COLUMN IF EXISTS session_hash, DROP COLUMN IF EXISTS told,
        DROP COLUMN IF EXISTS resume_to, DROP COLUMN IF EXISTS resume_reason,
        DROP COLUMN IF EXISTS backorders;
      DROP TABLE IF EXISTS stripe_outbox;
      DROP TABLE IF EXISTS stripe_hold;
      DROP INDEX IF EXISTS "IDX_customer_email_lower";`)
  }
}
