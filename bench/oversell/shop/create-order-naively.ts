/**
 * The workflow of the question that this project began with: create the order, read the stock, write what is left. It
 * runs in a Medusa shop, where `layOut` puts it, and takes Medusa's own lock by the keys that it is given.
 */
import { acquireLockStep, createOrdersWorkflow, releaseLockStep } from "@medusajs/core-flows"
import type { CreateOrderDTO } from "@medusajs/framework/types"
import { MedusaError, Modules } from "@medusajs/framework/utils"
import {
  createStep,
  createWorkflow,
  StepResponse,
  transform,
  WorkflowResponse,
  when,
} from "@medusajs/framework/workflows-sdk"

export interface NaiveInput {
  payment_intent_id: string
  /** None for no lock. */
  lock_keys: string[]
  inventory_item_id: string
  location_id: string
  quantity: number
  order: CreateOrderDTO
}

/** A payment whose order is there already is done: a careful author checks that first. */
const findOrderStep = createStep("find-order", async (payment_intent_id: string, { container }) => {
  const orders = await container
    .resolve(Modules.ORDER)
    .listOrders({ metadata: { payment_intent_id } } as object, { take: 1, select: ["id"] })
  return new StepResponse(orders[0]?.id ?? null)
})

const decrementInventoryStep = createStep(
  "decrement-inventory",
  async (
    { inventory_item_id, location_id, quantity }: Omit<NaiveInput, "lock_keys" | "order">,
    { container },
  ) => {
    const inventory = container.resolve(Modules.INVENTORY)
    const [level] = await inventory.listInventoryLevels({ inventory_item_id, location_id })
    const stocked = Number(level?.stocked_quantity ?? 0)
    if (stocked < quantity) throw new MedusaError(MedusaError.Types.NOT_ALLOWED, "out of stock")
    await inventory.updateInventoryLevels([
      { inventory_item_id, location_id, stocked_quantity: stocked - quantity },
    ])
    return new StepResponse(stocked - quantity)
  },
)

const WAIT_SECONDS = 30
const TTL_SECONDS = 120

export const createOrderNaively = createWorkflow("create-order-from-stripe-naively", (input: NaiveInput) => {
  const locked = when("locked", input, ({ lock_keys }) => lock_keys.length > 0)
  locked.then(() => {
    acquireLockStep({ key: input.lock_keys, timeout: WAIT_SECONDS, ttl: TTL_SECONDS })
  })
  const found = findOrderStep(input.payment_intent_id)
  when("order-is-missing", found, (id) => id === null).then(() => {
    createOrdersWorkflow.runAsStep({ input: transform(input, ({ order }) => order) })
    decrementInventoryStep(input)
  })
  when("was-locked", input, ({ lock_keys }) => lock_keys.length > 0).then(() => {
    releaseLockStep({ key: input.lock_keys })
  })
  return new WorkflowResponse(found)
})
