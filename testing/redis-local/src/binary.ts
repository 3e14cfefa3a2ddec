import { execFile } from "node:child_process"
import { access, constants, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const run = promisify(execFile)
const cache = fileURLToPath(new URL("../../../node_modules/.cache/redis-local", import.meta.url))

export interface Binary {
  path: string
  /** What the process needs in its environment. */
  env: Record<string, string>
}

let found: Promise<Binary> | undefined

/** The redis-server named by REDIS_SERVER, else the one in PATH, else Debian's, unpacked into a folder of ours. */
export function findBinary(): Promise<Binary> {
  found ??= find()
  return found
}

async function find(): Promise<Binary> {
  const own = process.env.REDIS_SERVER ?? (await inPath("redis-server"))
  if (own) return { path: own, env: {} }
  const root = join(cache, `${process.platform}-${process.arch}`)
  if (!(await exists(root))) await fetchPackages(root)
  return unpacked(root)
}

async function inPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? "").split(delimiter))
    if (folder && (await exists(join(folder, name)))) return join(folder, name)
  return undefined
}

async function exists(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

async function unpacked(root: string): Promise<Binary> {
  const lib = join(root, "usr", "lib")
  const folders = [lib, ...(await readdir(lib)).map((name) => join(lib, name))]
  return { path: join(root, "usr", "bin", "redis-server"), env: { LD_LIBRARY_PATH: folders.join(delimiter) } }
}

/** Several processes may do this at once: each unpacks for itself, and the first to be done gives the folder its name. */
async function fetchPackages(root: string): Promise<void> {
  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, "unpacking-"))
  try {
    await download(work)
    const unpackedRoot = join(work, "root")
    const packages = (await readdir(work)).filter((name) => name.endsWith(".deb"))
    for (const name of packages) await run("dpkg-deb", ["-x", join(work, name), unpackedRoot])
    const { path, env } = await unpacked(unpackedRoot)
    await run(path, ["--version"], { env: { ...process.env, ...env } })
    await rename(unpackedRoot, root).catch(async (error) => {
      if (!(await exists(root))) throw error
    })
  } catch (cause) {
    throw new Error(
      "There is no redis-server here, and it could not be fetched from Debian's packages. Install Redis 6.2 or " +
        "later or Valkey (Debian: apt-get install redis-server), or name its binary in REDIS_SERVER.",
      { cause },
    )
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Needs no root: nothing is installed. */
async function download(folder: string): Promise<void> {
  try {
    await downloadWith([], folder)
  } catch {
    // A container often comes without package lists: they are fetched into a folder of our own then.
    const own = [
      "-o",
      `Dir::State::Lists=${join(folder, "lists")}`,
      "-o",
      `Dir::Cache=${join(folder, "apt")}`,
    ]
    await mkdir(join(folder, "lists", "partial"), { recursive: true })
    await mkdir(join(folder, "apt", "archives", "partial"), { recursive: true })
    await run("apt-get", [...own, "update"], { cwd: folder })
    await downloadWith(own, folder)
  }
}

async function downloadWith(options: readonly string[], folder: string): Promise<void> {
  const get = (names: readonly string[]) =>
    run("apt-get", [...options, "download", ...names], { cwd: folder })
  // The program is in redis-tools, its name in redis-server.
  await get(["redis-tools", "redis-server"])
  const [tools] = (await readdir(folder)).filter((name) => name.startsWith("redis-tools"))
  const { stdout } = await run("dpkg-deb", ["-f", join(folder, tools ?? ""), "Depends"])
  // The system's own libc has to be used: its loader knows no other.
  const libraries = stdout.split(/[\s,|]+/).filter((name) => /^(lib|lua)/.test(name) && !/^libc6/.test(name))
  const elogind = (name: string) => name === "libelogind0"
  await get([...new Set(libraries)].filter((name) => !elogind(name)))
}
