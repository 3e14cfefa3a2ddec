import { Migration } from "@medusajs/framework/mikro-orm/migrations"

export class Migration20261124044229 extends Migration {
  override async up(): Promise<void> {
    this.addSql(
      `alter table if exists "stripe_payment" drop constraint if exists "stripe_payment_order_id_unique";`,
    )
    this.addSql(
      `create table if not exists "stripe_event" ("id" text not null, "type" text not null, "api_version" text null, "livemode" boolean not null, "created" timestamptz not null, "payment_intent_id" text null, "revision" integer null, "status" text check ("status" in ('pending', 'settled', 'ignored')) not null, "deliveries" integer not null default 1, "settled_at" timestamptz null, "payload" jsonb not null, "created_at" timestamptz not null default now(), "updated_at" timestamptz not null default now(), "deleted_at" timestamptz null, constraint "stripe_event_pkey" primary key ("id"));`,
    )
    this.addSql(
      `CREATE INDEX IF NOT EXISTS "IDX_stripe_event_deleted_at" ON "stripe_event" ("deleted_at") WHERE deleted_at IS NULL;`,
    )
    this.addSql(
      `CREATE INDEX IF NOT EXISTS "IDX_stripe_event_payment_intent_id" ON "stripe_event" ("payment_intent_id") WHERE status = 'pending' AND deleted_at IS NULL;`,
    )

    this.addSql(
      `create table if not exists "stripe_payment" ("id" text not null, "status" text check ("status" in ('pending', 'ordered', 'completed', 'returning', 'refunded', 'cancelled', 'void', 'review')) not null default 'pending', "reason" text null, "order_id" text null, "cart_id" text null, "payment_id" text null, "arrival" serial, "revision" integer not null default 0, "due_at" timestamptz null, "claimed_by" text null, "claimed_until" timestamptz null, "attempts" integer not null default 0, "last_error" text null, "captured_at" timestamptz null, "placed_at" timestamptz null, "created_at" timestamptz not null default now(), "updated_at" timestamptz not null default now(), "deleted_at" timestamptz null, constraint "stripe_payment_pkey" primary key ("id"));`,
    )
    this.addSql(
      `CREATE INDEX IF NOT EXISTS "IDX_stripe_payment_deleted_at" ON "stripe_payment" ("deleted_at") WHERE deleted_at IS NULL;`,
    )
    this.addSql(
      `CREATE INDEX IF NOT EXISTS "IDX_stripe_payment_due_at" ON "stripe_payment" ("due_at") WHERE due_at IS NOT NULL AND deleted_at IS NULL;`,
    )
    this.addSql(
      `CREATE UNIQUE INDEX IF NOT EXISTS "IDX_stripe_payment_order_id_unique" ON "stripe_payment" ("order_id") WHERE order_id IS NOT NULL AND deleted_at IS NULL;`,
    )
    this.addSql(
      `CREATE INDEX IF NOT EXISTS "IDX_stripe_payment_status" ON "stripe_payment" ("status") WHERE deleted_at IS NULL;`,
    )
  }

  override async down(): Promise<void> {
    this.addSql(`drop table if exists "stripe_event" cascade;`)

    this.addSql(`drop table if exists "stripe_payment" cascade;`)
  }
}
