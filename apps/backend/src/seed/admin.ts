import { Modules } from "@medusajs/framework/utils"
import { createUsersWorkflow } from "@medusajs/medusa/core-flows"
import type { Seeder } from "./seeder"

const provider = "emailpass"

/** Creates the user, or sets its password. */
export async function seedAdmin({ container, ensure }: Seeder, email: string, password: string) {
  const input = { users: [{ email }] }
  const user_id = await ensure("user", { email }, () => createUsersWorkflow(container).run({ input }))
  const auth = container.resolve(Modules.AUTH)
  const login = async () => (await auth.listProviderIdentities({ entity_id: email, provider }))[0]
  if (await login()) await auth.updateProvider(provider, { entity_id: email, password })
  else await auth.register(provider, { body: { email, password } })
  const id = (await login())?.auth_identity_id
  if (!id) throw new Error(`No login could be made for ${email}`)
  await auth.updateAuthIdentities({ id, app_metadata: { user_id } })
}
