import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fingerprint, packageFolder, packageVersion } from "./fingerprint.ts"
import { runMedusa } from "./medusa.ts"
import { backend, builtAdmin, data, repository, server } from "./paths.ts"
import { runNode } from "./processes.ts"

/** Builds the packages of this repository that the shop uses; a second or two when nothing has changed. */
export async function buildPackages(): Promise<void> {
  const turbo = join(packageFolder("turbo"), "bin", "turbo")
  await runNode("Building the packages", [turbo, "run", "build", "--output-logs=errors-only"], {
    cwd: repository,
    env: {},
    logFile,
  })
}

const plugin = packageFolder("@holdfast/medusa-stripe-orders")
const logFile = join(data, "build.log")

const inputs = {
  server: () =>
    fingerprint(
      ["medusa-config.ts", "src", "tsconfig.json", "package.json"]
        .map((path) => join(backend, path))
        .concat(join(repository, "tsconfig.base.json")),
      [packageVersion("@medusajs/medusa"), packageVersion("typescript")],
    ),
  admin: () =>
    fingerprint(
      [
        join(backend, "medusa-config.ts"),
        join(backend, "src", "admin"),
        join(plugin, ".medusa/server/src/admin"),
      ],
      [packageVersion("@medusajs/dashboard"), packageVersion("@medusajs/draft-order")],
    ),
}

/** Compiles the application into `.medusa/server` unless the build there is up to date. */
export function buildServer(): Promise<boolean> {
  return unlessBuilt(server, inputs.server(), () => {
    const env = { DISABLE_MEDUSA_ADMIN: "true" }
    return runMedusa("Building the shop", ["build"], { cwd: backend, env, logFile })
  })
}

/** Bundles the admin, which takes about 48 s and 2 GB, unless nothing in it has changed. */
export async function buildAdmin(): Promise<boolean> {
  const built = await unlessBuilt(builtAdmin, inputs.admin(), () => {
    // An --admin-only build doesn't touch `.medusa/server`; every other build empties it.
    return runMedusa("Building the admin", ["build", "--admin-only"], { cwd: backend, env: {}, logFile })
  })
  serveAdmin()
  return built
}

function serveAdmin() {
  const link = join(server, "public", "admin")
  rmSync(link, { recursive: true, force: true })
  mkdirSync(join(server, "public"), { recursive: true })
  symlinkSync(builtAdmin, link, "dir")
}

// The mark is written last: a build that was killed half-way is repeated.
async function unlessBuilt(folder: string, wanted: string, build: () => Promise<void>): Promise<boolean> {
  const mark = `${folder}.fingerprint`
  if (existsSync(folder) && existsSync(mark) && readFileSync(mark, "utf8") === wanted) return false
  rmSync(mark, { force: true })
  await build()
  writeFileSync(mark, wanted)
  return true
}
