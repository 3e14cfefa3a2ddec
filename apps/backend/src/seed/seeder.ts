import type { MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"

/** Looks first and makes only what is missing, so that a seed which was killed goes on where it was. */
export interface Seeder {
  container: MedusaContainer
  /** The id of the entity, which `create`, in one transaction, makes where there is none. */
  ensure(entity: string, filters: Record<string, unknown>, create: () => Promise<unknown>): Promise<string>
  /** The same for what is made in several transactions: what a killed seed left half made is removed first. */
  ensureWhole(entity: string, filters: Record<string, unknown>, making: Making): Promise<string>
}

export interface Making {
  create(): Promise<unknown>
  /** What `isWhole` looks at, in Medusa's query language. */
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
