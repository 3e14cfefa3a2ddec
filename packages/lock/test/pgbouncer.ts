import { execFileSync, spawn } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import pg from "pg"

/** Debian's PgBouncer, and the one library of it that other programs don't bring. */
const PACKAGES = ["pgbouncer", "libc-ares2"]
const cache = fileURLToPath(new URL("../../../node_modules/.cache/pgbouncer/", import.meta.url))

/** Fetches PgBouncer once. Returns why it can't be had, if it can't. */
export function fetchPgBouncer(): string | undefined {
  try {
    mkdirSync(cache, { recursive: true })
    const missing = PACKAGES.filter((name) => !readdirSync(cache).some((file) => file.startsWith(`${name}_`)))
    if (missing.length > 0) execFileSync("apt-get", ["download", ...missing], { cwd: cache, stdio: "pipe" })
    return undefined
  } catch (error) {
    return `PgBouncer can't be fetched with apt-get download: ${(error as Error).message.split("\n")[0]}`
  }
}

export interface PgBouncer {
  readonly connectionString: string
  stop(): Promise<void>
}

/** Starts it before the server at `url`, in a directory of its own: it refuses to run as root, and the user `nobody` may not read every directory. */
export async function startPgBouncer(url: string, mode: "session" | "transaction"): Promise<PgBouncer> {
  const { username, password, hostname, port, pathname } = new URL(url)
  const directory = mkdtempSync(join(tmpdir(), "holdfast-pgbouncer-"))
  chmodSync(directory, 0o755)
  for (const file of readdirSync(cache)) execFileSync("dpkg-deb", ["-x", join(cache, file), directory])
  const own = await freePort()
  const database = `host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)}`
  const settings = [
    `listen_port=${own}`,
    "listen_addr=127.0.0.1",
    "auth_type=any",
    `pool_mode=${mode}`,
    "unix_socket_dir=",
  ]
  const size = mode === "session" ? 20 : 2
  const config = ["[databases]", `* = ${database} pool_size=${size}`, "[pgbouncer]", ...settings].join("\n")
  writeFileSync(join(directory, "pgbouncer.ini"), config)
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
  const [library] = execFileSync("find", [directory, "-name", "libcares.so.2", "-printf", "%h"], {
    encoding: "utf8",
  }).split("\n")
  const env = { ...process.env, LD_LIBRARY_PATH: library }
  const child = spawn(join(directory, "usr/sbin/pgbouncer"), ["-q", join(directory, "pgbouncer.ini")], {
    ...user,
    env,
    cwd: "/",
    stdio: "ignore",
  })
  const ended = new Promise<void>((resolve) =>
    child.once("close", () => resolve()).once("error", () => resolve()),
  )
  const connectionString = `postgres://${username}@127.0.0.1:${own}${pathname}`
  await answers(connectionString)
  const stop = async () => {
    child.kill("SIGTERM")
    await ended
    rmSync(directory, { recursive: true, force: true })
  }
  return { connectionString, stop }
}

async function answers(connectionString: string): Promise<void> {
  for (const deadline = performance.now() + 20_000; ; ) {
    const client = new pg.Client({ connectionString })
    try {
      await client.connect()
      return await client.end()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}
