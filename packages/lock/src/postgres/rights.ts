import { LockSetupError } from "../errors.js"
import type { Query } from "./clients.js"
import type { Names } from "./names.js"

/** The SQL that lets `role` use what is in the schema. Both are quoted. */
export const grantSql = (schema: string, role: string) => `
GRANT USAGE ON SCHEMA ${schema} TO ${role};
GRANT ALL ON ALL TABLES IN SCHEMA ${schema} TO ${role};
GRANT ALL ON ALL SEQUENCES IN SCHEMA ${schema} TO ${role};
`

export const isDenied = (error: unknown) => (error as { code?: unknown })?.code === "42501"

/** What to tell of an error: where a right is missing, who may give it and how. */
export async function explained(error: unknown, query: Query, { schema }: Names): Promise<unknown> {
  if (!isDenied(error)) return error
  const role = await roleOf(query)
  return new LockSetupError(
    `The role ${role} may not use the schema ${schema}: ${(error as Error).message}. Let its owner run this error's \`sql\``,
    grantSql(schema, role),
    { cause: error },
  )
}

/** As an identifier in SQL. */
export async function roleOf(query: Query): Promise<string> {
  const [row] = await query<{ role: string }>({ text: "SELECT quote_ident(current_user) AS role" })
  return row?.role ?? "current_user"
}
