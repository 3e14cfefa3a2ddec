import { rmSync } from "node:fs"
import { createServer } from "node:net"
import { join, relative } from "node:path"
import type { StripeLocal } from "@holdfast/stripe-local"
import { buildAdmin, buildPackages, buildServer } from "./build.ts"
import type { Admin } from "./database.ts"
import { LaunchError } from "./errors.ts"
import { data, repository } from "./paths.ts"
import { openPostgres, prepareEmbedded, prepareOwn } from "./postgres.ts"
import { type Env, endProcesses } from "./processes.ts"
import type { Progress } from "./progress.ts"
import { readSecrets, type Secrets } from "./secrets.ts"
import type { Settings } from "./settings.ts"
import { type Shop, startShop } from "./shop.ts"
import type { Shutdown } from "./shutdown.ts"
import { HOOK, listen, openLocalStripe } from "./stripe.ts"

export interface Launch {
  settings: Settings
  /** Whether the admin is built and served. */
  withAdmin: boolean
  progress: Progress
  shutdown: Shutdown
}

export interface Launched {
  shop: Shop
  databaseUrl: string
  admin: Admin
  /** Undefined when the shop talks to Stripe itself. */
  stripe?: StripeLocal
}

/** Starts everything and returns when the shop answers. */
export async function launch({ settings, withAdmin, progress, shutdown }: Launch): Promise<Launched> {
  const secrets = readSecrets()
  await checkPort(settings.port)
  const postgres = settings.databaseUrl
    ? undefined
    : await progress.step("PostgreSQL", (tell) => openEmbedded(shutdown, tell))
  // Added after the database, so ended before it: a running migration must not lose its server.
  shutdown.add(endProcesses)
  await progress.step("Packages", buildPackages)
  await progress.step("Application", buildServer)
  const stripe = settings.stripe
    ? undefined
    : await progress.step("Local Stripe", (tell) => openLocal(shutdown, tell))
  const env = shopEnv(secrets, stripe)
  const admin = adminUser(secrets)
  const databaseUrl = await progress.step("Database", async (tell) => {
    const done: string[] = []
    const onStep = (step: "migrate" | "seed") => {
      tell(step === "migrate" ? "migrating" : "seeding")
      done.push(step === "migrate" ? "migrated" : "seeded")
    }
    const preparation = { admin, env, logFile: join(data, "database.log"), onStep }
    const url = await (postgres
      ? prepareEmbedded(postgres, preparation)
      : prepareOwn(settings.databaseUrl ?? "", preparation))
    tell([...new Set(done)].join(" and "))
    return url
  })
  if (withAdmin) await progress.step("Admin", buildAdmin)
  const shop = await progress.step("Shop", (tell) =>
    openShop({ settings, withAdmin, databaseUrl, env, shutdown, tell }),
  )
  if (stripe) await listen(stripe, `${shop.url}${HOOK}`, secrets.webhook)
  return { shop, databaseUrl, admin, stripe }
}

async function openEmbedded(shutdown: Shutdown, tell: (detail: string) => void) {
  const postgres = await openPostgres(shutdown)
  tell(`port ${postgres.port}`)
  return postgres
}

async function openLocal(shutdown: Shutdown, tell: (detail: string) => void) {
  const stripe = await openLocalStripe(shutdown)
  tell(stripe.url)
  return stripe
}

function shopEnv(secrets: Secrets, stripe?: StripeLocal): Env {
  const { JWT_SECRET = secrets.jwt, COOKIE_SECRET = secrets.cookie } = process.env
  if (!stripe) return { JWT_SECRET, COOKIE_SECRET }
  const { apiKey, host, port } = stripe
  return {
    JWT_SECRET,
    COOKIE_SECRET,
    STRIPE_API_KEY: apiKey,
    STRIPE_WEBHOOK_SECRET: secrets.webhook,
    STRIPE_HOST: host,
    STRIPE_PORT: String(port),
  }
}

function adminUser({ password }: Secrets): Admin {
  const { ADMIN_EMAIL = "admin@holdfast.example", ADMIN_PASSWORD = password } = process.env
  return { email: ADMIN_EMAIL, password: ADMIN_PASSWORD }
}

interface ShopOpening extends Pick<Launch, "settings" | "withAdmin" | "shutdown"> {
  databaseUrl: string
  env: Env
  tell(detail: string): void
}

async function openShop({
  settings,
  withAdmin,
  databaseUrl,
  env,
  shutdown,
  tell,
}: ShopOpening): Promise<Shop> {
  const logFile = join(data, "shop.log")
  rmSync(logFile, { force: true })
  const DISABLE_MEDUSA_ADMIN = withAdmin ? undefined : "true"
  const shop = startShop({ databaseUrl, port: settings.port, logFile, env: { ...env, DISABLE_MEDUSA_ADMIN } })
  shutdown.add(() => shop.stop())
  tell(`log: ${relative(repository, logFile)}`)
  await shop.ready
  tell(shop.url)
  return shop
}

// Medusa itself would fail on a taken port only at the last step of its start. get-port hides the reason.
function checkPort(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer().listen(port)
    probe.once("listening", () => probe.close(() => resolve()))
    probe.once("error", (cause: NodeJS.ErrnoException) =>
      reject(new LaunchError(portAdvice(port, cause), { cause })),
    )
  })
}

function portAdvice(port: number, { code, message }: NodeJS.ErrnoException): string {
  const other = "choose another port with `npm start -- --port 9010`, or PORT in .env"
  if (code === "EADDRINUSE") return `Port ${port} is in use. Stop the program that uses it, or ${other}.`
  if (code === "EACCES") return `No permission to listen on port ${port}: ${other}.`
  return `Port ${port} can't be used (${message}): ${other}.`
}
