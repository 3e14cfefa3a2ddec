import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import type { Context, MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys, MedusaContextType } from "@medusajs/framework/utils"

/**
 * One database transaction in which several Medusa modules take part.
 *
 * Medusa gives each module a transaction of its own, so that a crash between an order and its stock leaves one
 * without the other. The modules share a database, though, and a module's service writes into whatever
 * transaction its context bears. The names in this file's interfaces are Medusa's internals (2.21), all that
 * we use of them: the tests that kill the shop between two of its writes fail when a release changes one.
 */
export interface SharedTransaction {
  /** for our own statements */
  readonly sql: Knex.Transaction
  /** the context to hand to a module's service, so that what it writes is part of this transaction */
  join(module: unknown): Context
}

interface EntityManager {
  setTransactionContext(transaction: Knex.Transaction): void
  flush(): Promise<void>
}

interface ModuleWithRepository {
  baseRepository_: { getFreshManager(): EntityManager }
}

/** Commits what `work` wrote when it returns; leaves nothing of it behind when it throws. */
export async function inOneTransaction<T>(
  container: MedusaContainer,
  work: (transaction: SharedTransaction) => Promise<T>,
): Promise<T> {
  const database: Knex = container.resolve(ContainerRegistrationKeys.PG_CONNECTION)
  return await database.transaction(async (sql) => {
    // A long transaction elsewhere must not hold this one, and the locks around it, without end.
    await sql.raw("SET LOCAL lock_timeout = '10s'")
    const managers = new Map<unknown, EntityManager>()
    const join = (module: unknown): Context => {
      const manager = managers.get(module) ?? enter(module, sql)
      managers.set(module, manager)
      // Without the type, a module resolved inside a workflow step takes this for no context and commits alone.
      return { __type: MedusaContextType, transactionManager: manager } as Context
    }
    const result = await work({ sql, join })
    for (const manager of managers.values()) {
      await manager.flush()
    }
    return result
  })
}

function enter(module: unknown, sql: Knex.Transaction): EntityManager {
  const repository = (module as Partial<ModuleWithRepository>).baseRepository_
  if (!repository?.getFreshManager) {
    throw new Error(
      "This version of Medusa keeps its modules' repositories elsewhere: @holdfast/medusa-stripe-orders supports Medusa 2.21.",
    )
  }
  const manager = repository.getFreshManager()
  manager.setTransactionContext(sql)
  return manager
}

/** The Order Module writes the orders, their lines, addresses, shipping, taxes and summary; it emits nothing. */
export interface OrderModuleInternals {
  createOrders_(orders: unknown[], context: Context): Promise<unknown[]>
  addOrderTransactions_(transactions: unknown[], context: Context): Promise<unknown[]>
}
