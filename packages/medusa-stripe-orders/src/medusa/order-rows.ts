import type { MedusaContainer } from "@medusajs/framework/types"
import { Modules } from "@medusajs/framework/utils"
import { newId } from "../ids"
import { insertRows, type Row } from "./rows"
import type { OrderModuleInternals, SharedTransaction } from "./shared-transaction"

/**
 * Creates orders by the Order Module's own code, which reckons totals, summary and versions; only its internal services
 * are replaced by ones that gather rows, which are then written with one statement a table. MikroORM takes 9 ms of CPU an
 * order for the same rows. The module's `createOrders_` emits nothing; the public `createOrders` would, before the commit.
 */
export async function createOrders(
  container: MedusaContainer,
  transaction: SharedTransaction,
  orders: object[],
): Promise<void> {
  const module = container.resolve(Modules.ORDER) as unknown as OrderModuleInternals
  const rows = new OrderRows()
  const gathering: OrderModuleInternals = Object.assign(Object.create(module), {
    orderService_: { create: async (order: Nested) => rows.addOrder(order) },
    orderAddressService_: {
      create: async (all: Row[]) => all.map((row) => rows.add("order_address", "ordaddr", row)),
    },
    orderLineItemService_: { create: async (all: Nested[]) => all.map((line) => rows.addLine(line)) },
    orderItemService_: {
      create: async (all: Row[]) =>
        all.map((row) => rows.add("order_item", "orditem", { ...NOTHING_DONE, ...row })),
    },
    orderCreditLineService_: {
      create: async (all: Row[]) => all.map((row) => rows.add("order_credit_line", "ordcl", row)),
    },
  })
  await gathering.createOrders_(orders, transaction.join(module))
  await rows.write(transaction)
}

/** The defaults of the module's model; the table has none. */
const NOTHING_DONE = {
  fulfilled_quantity: 0,
  delivered_quantity: 0,
  shipped_quantity: 0,
  return_requested_quantity: 0,
  return_received_quantity: 0,
  return_dismissed_quantity: 0,
  written_off_quantity: 0,
}

interface Nested extends Row {
  summary?: Row
  transactions?: Row[]
  shipping_methods?: { shipping_method: Nested }[]
  tax_lines?: Row[]
  adjustments?: Row[]
}

/** A table's rows come after those that they refer to. */
const TABLES = [
  "order_address",
  "order",
  "order_summary",
  "order_transaction",
  "order_shipping_method",
  "order_shipping_method_tax_line",
  "order_shipping_method_adjustment",
  "order_shipping",
  "order_line_item",
  "order_line_item_tax_line",
  "order_line_item_adjustment",
  "order_item",
  "order_credit_line",
] as const

class OrderRows {
  readonly #rows = new Map<string, Row[]>(TABLES.map((table) => [table, []]))

  /** All of an order is of its first version; some tables leave that to the model. */
  add(table: (typeof TABLES)[number], prefix: string, row: Row): { id: string } {
    const id = (row.id as string | undefined) ?? newId(prefix)
    this.#rows.get(table)?.push({ version: 1, ...row, id })
    return { id }
  }

  addOrder(order: Nested): { id: string } {
    const { id: order_id } = this.add("order", "order", order)
    this.add("order_summary", "ordsum", { ...order.summary, order_id })
    for (const row of order.transactions ?? []) {
      this.add("order_transaction", "ordtrx", { ...row, order_id })
    }
    for (const { shipping_method } of order.shipping_methods ?? []) {
      const { id: shipping_method_id } = this.add("order_shipping_method", "ordsm", shipping_method)
      this.add("order_shipping", "ordspmv", { order_id, shipping_method_id })
      for (const row of shipping_method.tax_lines ?? []) {
        this.add("order_shipping_method_tax_line", "ordsmtxl", { ...row, shipping_method_id })
      }
      for (const row of shipping_method.adjustments ?? []) {
        this.add("order_shipping_method_adjustment", "ordsmadj", { ...row, shipping_method_id })
      }
    }
    return { id: order_id }
  }

  addLine(line: Nested): { id: string } {
    const { id: item_id } = this.add("order_line_item", "ordli", line)
    for (const row of line.tax_lines ?? []) {
      this.add("order_line_item_tax_line", "ordlitxl", { ...row, item_id })
    }
    for (const row of line.adjustments ?? []) {
      this.add("order_line_item_adjustment", "ordliadj", { ...row, item_id })
    }
    return { id: item_id }
  }

  async write({ sql }: SharedTransaction): Promise<void> {
    for (const [table, rows] of this.#rows) {
      await insertRows(sql, table, rows)
    }
  }
}
