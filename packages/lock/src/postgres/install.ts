import { LockSetupError } from "../errors.js"
import { circle } from "./circle.js"
import type { Query } from "./clients.js"
import { commands } from "./commands.js"
import { migrate, NEWER, VERSION } from "./migrations.js"
import type { Names } from "./names.js"
import { namesOf } from "./names.js"
import { grantSql, isDenied, roleOf } from "./rights.js"
import { rules } from "./rules.js"
import { fenceTable, tables } from "./tables.js"

/** The SQL that creates the tables and functions of the lock space `schema`, or upgrades them; may be run again. */
export function installSql(schema = "holdfast_lock"): string {
  return sqlOf(namesOf(schema))
}

export function sqlOf(names: Names): string {
  const version = `
CREATE OR REPLACE FUNCTION ${names.schema}.version() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT ${VERSION}';
`
  return `${migrate(names)}${tables(names)}${fenceTable(names)}${rules(names)}${circle(names)}${commands(names)}${version}`
}

/** Creates or upgrades the lock space, so that it has the version of this code. */
export async function install(query: Query, names: Names): Promise<void> {
  const found = await versionOf(query, names)
  if (found === VERSION) return
  if (found !== undefined && found > VERSION) throw outdated(names)
  const sql = sqlOf(names)
  try {
    // Many statements in one message are one transaction. Two that create the same at once would fail each other.
    await query({ text: `SELECT pg_advisory_xact_lock(${names.advisoryLock});\n${sql}` })
  } catch (cause) {
    if ((cause as { code?: string }).code === NEWER) throw outdated(names)
    if (!isDenied(cause)) throw cause
    const role = await roleOf(query)
    throw new LockSetupError(
      `The role ${role} may not create the schema ${names.schema}. Let one that may run this error's \`sql\`: ` +
        "installSql() of @holdfast/lock/postgres, and grants to this role",
      sql + grantSql(names.schema, role),
      { cause },
    )
  }
}

/** Changes nothing. Throws `LockSetupError` unless the lock space is there, and has the version of this code. */
export async function checkInstalled(query: Query, names: Names): Promise<void> {
  const found = await versionOf(query, names)
  if (found === VERSION) return
  const name = plain(names)
  throw new LockSetupError(
    found === undefined
      ? `There are no locks in the schema ${name} of this database`
      : `The schema ${name} is of version ${found}, and this command knows version ${VERSION}: use that of the @holdfast/lock that made it`,
  )
}

/** Its name without the quotes, for messages. */
const plain = ({ schema }: Names) => schema.replaceAll('"', "")

function outdated(names: Names): LockSetupError {
  return new LockSetupError(
    `A newer process has upgraded the schema ${plain(names)}, and this one knows version ${VERSION}: bring @holdfast/lock up to date, and restart`,
    "",
  )
}

/** Whether the schema, or a function of it, is missing: it was dropped, or upgraded by a newer process. */
export function isMissing(error: unknown): boolean {
  return MISSING.has((error as { code?: string }).code ?? "")
}

const MISSING = new Set(["3F000", "42883"])

async function versionOf(query: Query, { schema }: Names): Promise<number | undefined> {
  try {
    const [row] = await query<{ version: number }>({ text: `SELECT ${schema}.version()` })
    // The application may have set a parser of its own for integers.
    return row && Number(row.version)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}
