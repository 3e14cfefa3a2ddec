import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import { existsSync } from "node:fs"
import { chown, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { type Account, chooseAccount } from "./account.ts"
import type { Binaries } from "./binaries.ts"
import { PostgresError } from "./errors.ts"

const run = promisify(execFile)
const passwordFile = (dataDir: string) => join(dataDir, "superuser.password")

/**
 * Creates the data directory unless it is there, and returns the password of its superuser.
 * @throws PostgresError DATA_NOT_WRITABLE, OTHER_VERSION or FAILED
 */
export async function openCluster(dataDir: string, binaries: Binaries, sync: boolean): Promise<string> {
  try {
    if (!(await isCreated(dataDir, binaries.version))) {
      await create(dataDir, binaries, chooseAccount(dataDir, binaries.initdb), sync)
    }
    return (await readFile(passwordFile(dataDir), "utf8")).trim()
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ""
    if (["EACCES", "EPERM", "EROFS", "ENOTDIR"].includes(code)) throw notWritable(dataDir, error)
    throw error
  }
}

async function isCreated(dataDir: string, ours: string): Promise<boolean> {
  const entries = existsSync(dataDir) ? await readdir(dataDir) : []
  if (entries.length === 0) return false
  if (!entries.includes("PG_VERSION")) throw foreign(dataDir)
  const version = (await readFile(join(dataDir, "PG_VERSION"), "utf8")).trim()
  if (version !== ours) throw otherVersion(dataDir, version, ours)
  if (!entries.includes("superuser.password")) throw foreign(dataDir)
  return true
}

// Created next to its final path and then renamed: an initdb that is killed half-way leaves a directory that no
// later start can use.
async function create(dataDir: string, { initdb }: Binaries, account: Account, sync: boolean) {
  const draft = `${dataDir}.new`
  const password = randomBytes(18).toString("base64url")
  await rm(draft, { recursive: true, force: true })
  // Not by one call: those above it would be closed to the server's account too.
  await mkdir(dirname(draft), { recursive: true })
  await mkdir(draft, { mode: 0o700 })
  const pwfile = `${draft}.password`
  await writeFile(pwfile, `${password}\n`, { mode: 0o600 })
  for (const path of [draft, pwfile]) await giveTo(account, path)
  try {
    await initialise(initdb, draft, pwfile, account, sync)
  } finally {
    await rm(pwfile, { force: true })
  }
  await writeFile(passwordFile(draft), password, { mode: 0o600 })
  await giveTo(account, passwordFile(draft))
  await rename(draft, dataDir)
}

async function initialise(initdb: string, draft: string, pwfile: string, account: Account, sync: boolean) {
  const locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
  const access = ["--username=postgres", "--auth=scram-sha-256", `--pwfile=${pwfile}`]
  const args = [`--pgdata=${draft}`, ...locale, ...access, ...(sync ? [] : ["--no-sync"])]
  const { program, args: given, ...user } = account.command(initdb, args)
  try {
    await run(program, given, { ...user, cwd: "/", env: { ...process.env, LC_ALL: "C" } })
  } catch (cause) {
    const said = (cause as { stderr?: string }).stderr?.trim() || (cause as Error).message
    throw new PostgresError("FAILED", `initdb failed in ${dirname(draft)}. It said:\n${said}`, { cause })
  }
}

async function giveTo({ uid, gid }: Account, path: string) {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid)
}

const notWritable = (dataDir: string, cause: unknown) =>
  new PostgresError(
    "DATA_NOT_WRITABLE",
    `No permission to keep the database in ${dataDir} (${(cause as Error).message}). ` +
      "Make the directory writable for this user, or set DATABASE_URL to a PostgreSQL of your own.",
    { cause },
  )

const otherVersion = (dataDir: string, theirs: string, ours: string) =>
  new PostgresError(
    "OTHER_VERSION",
    `The data in ${dataDir} was written by PostgreSQL ${theirs}; this is PostgreSQL ${ours}, which can't read it. ` +
      "Move or delete that directory to start afresh, or set DATABASE_URL to a PostgreSQL " +
      `${theirs} that serves it.`,
  )

const foreign = (dataDir: string) =>
  new PostgresError(
    "FAILED",
    `${dataDir} is not empty and was not made by this program. Move it away, or choose another place.`,
  )
