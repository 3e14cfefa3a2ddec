import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

export const backend = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "")
export const repository = join(backend, "..", "..")
/** The built application: what `medusa start` runs in. */
export const server = join(backend, ".medusa", "server")
export const builtAdmin = join(backend, ".medusa", "admin")
/** Everything that a start leaves on the disk. */
export const data = resolve(process.env.DATA_DIR ?? join(backend, ".data"))
