import type { MedusaContainer } from "@medusajs/framework/types"
import { MedusaError } from "@medusajs/framework/utils"
import { completeCartWorkflow } from "@medusajs/medusa/core-flows"

let isHooked: boolean | undefined

/**
 * Whether the store, or one of its plugins, has hooks of Medusa's cart completion: Medusa's loyalty plugin debits gift cards
 * there, for instance. Medusa answers only one question about hooks: a second handler of one is refused. So a handler that
 * does nothing is registered where there is none, after the application has started with all of its own.
 */
export function storeHooksCartCompletion(): boolean {
  isHooked ??= Object.values(completeCartWorkflow.hooks).map(isTaken).includes(true)
  return isHooked
}

function isTaken(register: (handler: () => void) => void): boolean {
  try {
    register(() => {})
    return false
  } catch {
    return true
  }
}

/** What became of a cart that Medusa was to complete. */
export type Completion = { kind: "completed" } | { kind: "sold out" | "refused"; reason: string }

/**
 * Lets Medusa complete the cart, with all hooks of the store. A cart that is completed already stays as it is.
 *
 * @throws where it failed for a reason that may pass
 */
export async function completeCart(container: MedusaContainer, cart_id: string): Promise<Completion> {
  try {
    await completeCartWorkflow(container).run({ input: { id: cart_id } })
    return { kind: "completed" }
  } catch (error) {
    const { code, type, message } = error as MedusaError
    const isShort = code === MedusaError.Codes.INSUFFICIENT_INVENTORY || /^Not enough stock/.test(message)
    if (isShort) {
      return { kind: "sold out", reason: message }
    }
    const refusals: string[] = [
      MedusaError.Types.INVALID_DATA,
      MedusaError.Types.NOT_ALLOWED,
      MedusaError.Types.NOT_FOUND,
    ]
    if (refusals.includes(type)) {
      return { kind: "refused", reason: message }
    }
    throw error
  }
}
