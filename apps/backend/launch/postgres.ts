import { join } from "node:path"
import { type LocalPostgres, startPostgres } from "@holdfast/postgres-local"
import { type Preparation, prepareDatabase } from "./database.ts"
import { data } from "./paths.ts"
import type { Shutdown } from "./shutdown.ts"

const NAME = "holdfast"
const DRAFT = "holdfast_new"
const dataDir = join(data, "postgres")

type Rest = Omit<Preparation, "databaseUrl" | "remedy">

/** The embedded PostgreSQL, with its data under `.data`. */
export async function openPostgres(shutdown: Shutdown): Promise<LocalPostgres> {
  const postgres = await startPostgres({ dataDir })
  shutdown.add(() => postgres.stop())
  return postgres
}

/**
 * The shop's database on the embedded server, migrated and seeded. A new database gets its final name only when
 * it is complete: an interrupted one holds nothing worth keeping and is made again from the beginning.
 */
export async function prepareEmbedded(postgres: LocalPostgres, rest: Rest): Promise<string> {
  const remedy = `To start afresh, stop the shop and delete ${dataDir}.`
  if (!(await postgres.databases()).includes(NAME)) {
    await postgres.dropDatabase(DRAFT)
    await prepareDatabase({ ...rest, remedy, databaseUrl: await postgres.createDatabase(DRAFT) })
    await postgres.renameDatabase(DRAFT, NAME)
  }
  await prepareDatabase({ ...rest, remedy, databaseUrl: postgres.url(NAME) })
  return postgres.url(NAME)
}

/** The database of DATABASE_URL, migrated and seeded. */
export async function prepareOwn(databaseUrl: string, rest: Rest): Promise<string> {
  const name = new URL(databaseUrl).pathname.slice(1)
  const remedy = `Otherwise restore the database "${name}" from a backup, or drop it and create it again.`
  await prepareDatabase({ ...rest, remedy, databaseUrl })
  return databaseUrl
}
