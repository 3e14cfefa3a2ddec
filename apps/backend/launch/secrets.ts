import { randomBytes } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { LaunchError } from "./errors.ts"
import { data } from "./paths.ts"

export interface Secrets {
  jwt: string
  cookie: string
  /** The admin user's. */
  password: string
  /** Local Stripe signs its webhooks with it. */
  webhook: string
}

/** Made at the first start and kept, so that a browser stays logged in over a restart. */
export function readSecrets(): Secrets {
  const file = join(data, "secrets.json")
  try {
    mkdirSync(data, { recursive: true })
    if (!existsSync(file)) keep(file, makeSecrets())
    return JSON.parse(readFileSync(file, "utf8"))
  } catch (cause) {
    throw new LaunchError(
      `${data} can't be written (${(cause as Error).message}). ` +
        "The shop keeps its database, its secrets and its logs there: make it writable for this user.",
      { cause },
    )
  }
}

function keep(file: string, secrets: Secrets) {
  writeFileSync(`${file}.new`, `${JSON.stringify(secrets, undefined, 2)}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

function makeSecrets(): Secrets {
  const secret = (bytes: number) => randomBytes(bytes).toString("base64url")
  return {
    jwt: secret(32),
    cookie: secret(32),
    password: secret(9),
    webhook: `whsec_${randomBytes(24).toString("hex")}`,
  }
}
