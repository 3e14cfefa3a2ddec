import { Migration } from "@medusajs/framework/mikro-orm/migrations"

/** Orders that are made of a part of what was paid for, and stock that is held while the buyer pays. */
export class Migration20261128030000 extends Migration {
  override async up(): Promise<void> {
    this.addSql(`ALTER TABLE stripe_payment ADD COLUMN IF NOT EXISTS order_amount bigint;`)
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
      ALTER TABLE stripe_payment DROP COLUMN IF EXISTS order_amount;
      DROP TABLE IF EXISTS stripe_hold;`)
  }
}
