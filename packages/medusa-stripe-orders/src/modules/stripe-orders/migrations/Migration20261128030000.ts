import { Migration } from "@medusajs/framework/mikro-orm/migrations"

/** Orders that are made of a part of what was paid for. */
export class Migration20261128030000 extends Migration {
  override async up(): Promise<void> {
    this.addSql(`ALTER TABLE stripe_payment ADD COLUMN IF NOT EXISTS order_amount bigint;`)
  }

  override async down(): Promise<void> {
    this.addSql(`
      UPDATE stripe_payment SET status = 'money_moved' WHERE status = 'refunding_rest';
      ALTER TABLE stripe_payment DROP COLUMN IF EXISTS order_amount;`)
  }
}
