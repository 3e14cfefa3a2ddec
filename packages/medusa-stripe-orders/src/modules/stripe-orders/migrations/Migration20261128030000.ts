import { Migration } from "@medusajs/framework/mikro-orm/migrations"

/** Orders of a part of what was paid for, orders of Stripe's Checkout, and customers found whatever the letters' case. */
export class Migration20261128030000 extends Migration {
  override async up(): Promise<void> {
    this.addSql(`
      ALTER TABLE stripe_payment ADD COLUMN IF NOT EXISTS order_amount bigint, ADD COLUMN IF NOT EXISTS checkout text;
      DO $$ BEGIN
        -- On a new database Medusa's own tables may be made after ours.
        IF to_regclass('customer') IS NOT NULL THEN
          CREATE INDEX IF NOT EXISTS "IDX_customer_email_lower" ON customer (lower(email)) WHERE deleted_at IS NULL;
        END IF;
      END $$;`)
  }

  override async down(): Promise<void> {
    this.addSql(`
      UPDATE stripe_payment SET status = 'money_moved' WHERE status = 'refunding_rest';
      ALTER TABLE stripe_payment DROP COLUMN IF EXISTS order_amount, DROP COLUMN IF EXISTS checkout;
      DROP INDEX IF EXISTS "IDX_customer_email_lower";`)
  }
}
