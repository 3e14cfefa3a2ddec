import type { MedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { MedusaError } from "@medusajs/framework/utils"
import { addressOf } from "../../../../../holds/buyer"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../../../modules/stripe-orders"

const pluginOf = (req: MedusaRequest): StripeOrdersModuleService => req.scope.resolve(STRIPE_ORDERS_MODULE)

/** Holds the cart's stock, or renews its hold: who may change a cart may hold it, as its id is the key in Medusa too. */
export async function POST(req: MedusaRequest, res: MedusaResponse): Promise<void> {
  const { id = "" } = req.params
  const stripeOrders = pluginOf(req)
  const { hold } = stripeOrders.options
  const answer = await stripeOrders.holdStock(id, hold ? addressOf(req, hold.proxies) : undefined)
  if (answer.kind === "held") {
    res.json({ hold: answer.hold })
  } else if (answer.kind === "short") {
    const { items } = answer
    const message = `Not enough in stock: ${items.map(describe).join("; ")}`
    res.status(409).json({ type: "not_allowed", code: "insufficient_inventory", message, items })
  } else {
    const { status, code, message } = answer.refusal
    res.status(status).json({ type: status === 404 ? "not_found" : "not_allowed", code, message })
  }
}

function describe({
  title,
  sku,
  wanted,
  available,
}: {
  title: string
  sku: string | null
  wanted: number
  available: number
}) {
  const left = available === 0 ? "none are left" : available === 1 ? "1 is left" : `${available} are left`
  return `${wanted} of ${title}${sku ? ` (${sku})` : ""} wanted, ${left}`
}

/** What the cart holds, and until when. Reading it does not renew it. */
export async function GET(req: MedusaRequest, res: MedusaResponse): Promise<void> {
  const { id = "" } = req.params
  const hold = await pluginOf(req).heldStock(id)
  if (!hold) {
    throw new MedusaError(MedusaError.Types.NOT_FOUND, `Cart ${id} holds nothing`)
  }
  res.json({ hold })
}

/** Gives back what the cart holds. A cart that held nothing is no error: a storefront may call it twice. */
export async function DELETE(req: MedusaRequest, res: MedusaResponse): Promise<void> {
  const { id = "" } = req.params
  await pluginOf(req).giveBackStock(id)
  res.json({ id, object: "hold", deleted: true })
}
