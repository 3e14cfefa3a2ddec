import type { MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"

/** Creates only entities that are missing, so that a seed that was killed can be continued. */
export interface Seeder {
  container: MedusaContainer
  /** Returns the entity's id. Where it is missing, `create` makes it in one transaction. */
  ensure(entity: string, filters: Record<string, unknown>, create: () => Promise<unknown>): Promise<string>
  /** The same for an entity made in several transactions: one that a killed seed left half made is removed first. */
  ensureWhole(entity: string, filters: Record<string, unknown>, making: Making): Promise<string>
}

export interface Making {
  create(): Promise<unknown>
  /** The fields that `isWhole` reads, in Medusa's query language. */
  fields: string[]
  // biome-ignore lint/suspicious/noExplicitAny: its shape is that of `fields`, which no type tells.
  isWhole(found: any): unknown
  // biome-ignore lint/suspicious/noExplicitAny: the same.
  remove(found: any): Promise<unknown>
}

export function seederFor(container: MedusaContainer): Seeder {
  const query = container.resolve(ContainerRegistrationKeys.QUERY)
  const find = async (entity: string, filters: Record<string, unknown>, fields: string[] = []) => {
    const { data } = await query.graph({ entity, fields: ["id", ...fields], filters })
    return data[0]
  }
  const ensure: Seeder["ensure"] = async (entity, filters, create) => {
    const existing = await find(entity, filters)
    if (existing) return existing.id
    await create()
    const created = await find(entity, filters)
    if (!created) throw new Error(`The ${entity} ${JSON.stringify(filters)} was not made`)
    return created.id
  }
  return {
    container,
    ensure,
    async ensureWhole(entity, filters, { create, fields, isWhole, remove }) {
      const existing = await find(entity, filters, fields)
      if (existing && isWhole(existing)) return existing.id
      if (existing) await remove(existing)
      return ensure(entity, filters, create)
    },
  }
}
