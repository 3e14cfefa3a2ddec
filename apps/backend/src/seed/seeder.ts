import type { MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"

/** Looks first and makes only what is missing, so that a seed which was killed goes on where it was. */
export interface Seeder {
  container: MedusaContainer
  /** The id of the entity, which `create` makes where there is none. */
  ensure(entity: string, filters: Record<string, unknown>, create: () => Promise<unknown>): Promise<string>
}

export function seederFor(container: MedusaContainer): Seeder {
  const query = container.resolve(ContainerRegistrationKeys.QUERY)
  const find = async (entity: string, filters: Record<string, unknown>) => {
    const { data } = await query.graph({ entity, fields: ["id"], filters })
    return data[0]?.id as string | undefined
  }
  return {
    container,
    async ensure(entity, filters, create) {
      const existing = await find(entity, filters)
      if (existing) return existing
      await create()
      const created = await find(entity, filters)
      if (!created) throw new Error(`The ${entity} ${JSON.stringify(filters)} was not made`)
      return created
    },
  }
}
