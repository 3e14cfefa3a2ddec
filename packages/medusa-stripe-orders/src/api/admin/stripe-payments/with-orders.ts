import type { MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"
import type { PaymentView } from "../../../payments/search"

/** The number by which people know the payment's order; null where there is none, or where it was deleted. */
export interface WithOrderNumber extends PaymentView {
  order_number: string | null
}

export async function withOrderNumbers(
  scope: MedusaContainer,
  views: PaymentView[],
): Promise<WithOrderNumber[]> {
  const ids = [...new Set(views.flatMap(({ order_id }) => order_id ?? []))]
  const query = scope.resolve(ContainerRegistrationKeys.QUERY)
  const { data } =
    ids.length > 0
      ? await query.graph({
          entity: "order",
          fields: ["id", "display_id", "custom_display_id"],
          filters: { id: ids },
        })
      : { data: [] }
  const numbers = new Map(
    data.map(({ id, display_id, custom_display_id }) => [id, custom_display_id ?? `#${display_id}`]),
  )
  return views.map((view) => ({ ...view, order_number: numbers.get(view.order_id ?? "") ?? null }))
}
