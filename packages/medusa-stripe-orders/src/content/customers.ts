import type { ICustomerModuleService } from "@medusajs/framework/types"

/**
 * The customer with this address, made where there is none. Two first payments of one new customer come here
 * at once: the database lets one create, and the other then finds what was created.
 */
export async function findOrCreateCustomer(
  customers: ICustomerModuleService,
  email: string,
  names: { first_name?: string; last_name?: string } = {},
): Promise<string> {
  const known = await findCustomer(customers, email)
  if (known) {
    return known
  }
  try {
    return (await customers.createCustomers({ email, ...names })).id
  } catch (error) {
    const winner = await findCustomer(customers, email)
    if (winner) {
      return winner
    }
    throw error
  }
}

/** A registered customer is preferred, as Medusa does when it makes a cart. */
async function findCustomer(customers: ICustomerModuleService, email: string): Promise<string | undefined> {
  const found = await customers.listCustomers({ email }, { select: ["id", "has_account"] })
  return (found.find(({ has_account }) => has_account) ?? found[0])?.id
}
