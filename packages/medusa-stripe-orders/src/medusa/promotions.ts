import type { BigNumberInput } from "@medusajs/framework/types"
import { BigNumber } from "@medusajs/framework/utils"
import { newId } from "../ids"
import { amount } from "./rows"
import type { SharedTransaction } from "./shared-transaction"

/**
 * How often promotions may be used, and were, as Medusa's Promotion Module counts it (`registerUsage`): by the limit of a
 * promotion, and by the budget of its campaign. The module counts one order a call, with seven statements; here all orders
 * of a batch are counted at once.
 */
export interface PromotionLimits {
  /** by code: the active ones that are limited, or whose campaign has a budget */
  promotions: Map<string, LimitedPromotion>
  /** by id */
  budgets: Map<string, CampaignBudget>
}

export interface LimitedPromotion {
  id: string
  /** orders; null is without limit, and then none are counted */
  limit: number | null
  used: number
  budget_id: string | null
}

export interface CampaignBudget {
  id: string
  type: string
  /** of which buyers have a budget each: `customer_id` or `customer_email` */
  attribute: string | null
  /** null is without limit */
  limit: BigNumberInput | null
  used: BigNumberInput
  /** by the attribute's value: uses of that buyer */
  usages: Map<string, BigNumberInput>
}

const NOTHING: PromotionLimits = { promotions: new Map(), budgets: new Map() }

/**
 * Locks what is limited of these codes until the transaction ends, in Medusa's own order: promotions, then budgets, each by
 * id. Without a code this costs nothing, and without a limit one statement.
 *
 * @param buyers the values that a budget for each buyer may be kept by
 */
export async function lockPromotions(
  { sql }: SharedTransaction,
  codes: string[],
  buyers: string[],
): Promise<PromotionLimits> {
  if (codes.length === 0) {
    return NOTHING
  }
  const { rows: found } = await sql.raw(
    `SELECT promotion.id, promotion.code, promotion."limit" IS NOT NULL AS is_limited, budget.id AS budget_id
       FROM promotion
       LEFT JOIN promotion_campaign AS campaign ON campaign.id = promotion.campaign_id AND campaign.deleted_at IS NULL
       LEFT JOIN promotion_campaign_budget AS budget ON budget.campaign_id = campaign.id AND budget.deleted_at IS NULL
      WHERE promotion.code = ANY(?) AND promotion.status = 'active' AND promotion.deleted_at IS NULL
        AND (promotion."limit" IS NOT NULL OR budget.id IS NOT NULL)
        AND (promotion.campaign_id IS NULL OR
             (campaign.id IS NOT NULL AND COALESCE(campaign.starts_at <= now(), true) AND COALESCE(campaign.ends_at > now(), true)))`,
    [codes],
  )
  const limited = found as { id: string; code: string; is_limited: boolean; budget_id: string | null }[]
  const uses = await lockUses(
    sql,
    limited.flatMap(({ id, is_limited }) => (is_limited ? [id] : [])),
  )
  const budgets = await lockBudgets(
    sql,
    limited.flatMap(({ budget_id }) => budget_id ?? []),
    buyers,
  )
  const promotions = new Map(
    limited.map(({ id, code, budget_id }) => {
      const { limit, used } = uses.get(id) ?? { limit: null, used: 0 }
      return [code, { id, limit, used, budget_id }] as const
    }),
  )
  return { promotions, budgets }
}

type Sql = SharedTransaction["sql"]

async function lockUses(
  sql: Sql,
  ids: string[],
): Promise<Map<string, Pick<LimitedPromotion, "limit" | "used">>> {
  if (ids.length === 0) {
    return new Map()
  }
  const { rows } = await sql.raw(
    `SELECT id, "limit", used FROM promotion WHERE id = ANY(?) ORDER BY id FOR UPDATE`,
    [ids],
  )
  return new Map(rows.map((row: { id: string; limit: number | null; used: number }) => [row.id, row]))
}

async function lockBudgets(sql: Sql, ids: string[], buyers: string[]): Promise<Map<string, CampaignBudget>> {
  if (ids.length === 0) {
    return new Map()
  }
  const { rows } = await sql.raw(
    `SELECT id, type, attribute, "limit", used FROM promotion_campaign_budget WHERE id = ANY(?) ORDER BY id FOR UPDATE`,
    [ids],
  )
  const budgets = new Map(
    (rows as Omit<CampaignBudget, "usages">[]).map((row) => [row.id, { ...row, usages: new Map() }] as const),
  )
  const byBuyer = [...budgets.values()].filter(({ attribute }) => attribute).map(({ id }) => id)
  // The budget's lock, under which Medusa writes them too, keeps these rows as they are.
  const usages =
    byBuyer.length > 0
      ? await sql.raw(
          `SELECT budget_id, attribute_value, used FROM promotion_campaign_budget_usage
            WHERE budget_id = ANY(?) AND attribute_value = ANY(?) AND deleted_at IS NULL`,
          [byBuyer, buyers],
        )
      : { rows: [] }
  for (const { budget_id, attribute_value, used } of usages.rows) {
    budgets.get(budget_id)?.usages.set(attribute_value, used)
  }
  return budgets
}

/** How often something was used, to be written: a promotion, a budget, or the share of a budget that a buyer has. */
export interface Use {
  of: "promotion" | "budget" | "buyer"
  /** the promotion's or the budget's */
  id: string
  /** the attribute's value, of a buyer's share */
  buyer?: string
  used: BigNumberInput
}

/** Writes how often promotions were used, a statement for each kind of row. */
export async function writeUses({ sql }: SharedTransaction, uses: Use[]): Promise<void> {
  const rowsOf = (kind: Use["of"]) =>
    uses
      .filter(({ of }) => of === kind)
      .map(({ id, buyer, used }) => ({ id, buyer, ...amount("used", new BigNumber(used).numeric) }))
  const [promotions, budgets, buyers] = [rowsOf("promotion"), rowsOf("budget"), rowsOf("buyer")]
  if (promotions.length > 0) {
    await sql.raw(
      `UPDATE promotion SET used = wanted.used, updated_at = now()
         FROM jsonb_to_recordset(CAST(? AS jsonb)) AS wanted(id text, used integer) WHERE promotion.id = wanted.id`,
      [JSON.stringify(promotions)],
    )
  }
  if (budgets.length > 0) {
    await sql.raw(
      `UPDATE promotion_campaign_budget AS budget
          SET used = wanted.used, raw_used = CAST(wanted.raw_used AS jsonb), updated_at = now()
         FROM jsonb_to_recordset(CAST(? AS jsonb)) AS wanted(id text, used numeric, raw_used text) WHERE budget.id = wanted.id`,
      [JSON.stringify(budgets)],
    )
  }
  if (buyers.length > 0) {
    await sql.raw(
      `INSERT INTO promotion_campaign_budget_usage (id, budget_id, attribute_value, used, raw_used)
       SELECT wanted.new_id, wanted.id, buyer, used, CAST(raw_used AS jsonb)
         FROM jsonb_to_recordset(CAST(? AS jsonb)) AS wanted(new_id text, id text, buyer text, used numeric, raw_used text)
       ON CONFLICT (attribute_value, budget_id) WHERE deleted_at IS NULL
       DO UPDATE SET used = excluded.used, raw_used = excluded.raw_used, updated_at = now()`,
      [JSON.stringify(buyers.map((row) => ({ new_id: newId("probudgus"), ...row })))],
    )
  }
}
