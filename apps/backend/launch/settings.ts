import { LaunchError } from "./errors.ts"

export interface Settings {
  port: number
  /** Without it the embedded PostgreSQL is used. */
  databaseUrl?: string
  /** Without it local Stripe is used. */
  stripe?: { apiKey: string; webhookSecret: string }
}

/** @throws LaunchError that names the invalid variable and its allowed values */
export function readSettings(portOption?: string): Settings {
  const { env } = process
  oneOf("HOLDFAST_STOCK", ["reserve", "decrement"])
  oneOf("HOLDFAST_CAPTURE", ["after_stock", "by_shop"])
  oneOf("HOLDFAST_LOCK_KEY", ["payment_intent", "cart", "both"])
  oneOf("CAPTURE_METHOD", ["manual", "automatic"])
  seconds("HOLDFAST_LOCK_TIMEOUT")
  seconds("HOLDFAST_LOCK_TTL")
  redisUrl("REDIS_URL")
  return {
    port: readPort(portOption === undefined ? "PORT" : "--port", portOption ?? env.PORT ?? "9000"),
    databaseUrl: readDatabaseUrl(env.DATABASE_URL),
    stripe: readStripe(env.STRIPE_API_KEY, env.STRIPE_WEBHOOK_SECRET),
  }
}

function oneOf(name: string, values: string[]) {
  const value = process.env[name]
  if (value === undefined || values.includes(value)) return
  throw new LaunchError(`${name} is "${value}", and must be one of: ${values.join(", ")}.`)
}

function seconds(name: string) {
  const value = process.env[name]
  if (value === undefined || Number(value) > 0) return
  throw new LaunchError(`${name} is "${value}", and must be a number of seconds above 0.`)
}

/** The message leaves the address out: it may contain a password. */
function redisUrl(name: string) {
  const value = process.env[name]
  if (value === undefined || (URL.canParse(value) && /^rediss?:$/.test(new URL(value).protocol))) return
  throw new LaunchError(`${name} must look like redis://user:password@host:6379, or rediss:// for TLS.`)
}

function readPort(name: string, text: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port
  throw new LaunchError(`${name} is "${text}", and must be a whole number from 1 to 65535.`)
}

function readDatabaseUrl(text?: string): string | undefined {
  if (text === undefined) return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url && /^postgres(ql)?:$/.test(url.protocol) && url.pathname.length > 1) return text
  throw new LaunchError("DATABASE_URL must look like postgres://user:password@host:5432/database.")
}

function readStripe(apiKey?: string, webhookSecret?: string) {
  if (!apiKey && !webhookSecret) return undefined
  if (!apiKey || !webhookSecret) {
    const missing = apiKey ? "STRIPE_WEBHOOK_SECRET" : "STRIPE_API_KEY"
    throw new LaunchError(`${missing} is missing: set both to use Stripe, or neither to use local Stripe.`)
  }
  if (!/^[sr]k_/.test(apiKey))
    throw new LaunchError("STRIPE_API_KEY must be a secret key (sk_…) or a restricted one (rk_…).")
  if (!webhookSecret.split(",").every((secret) => secret.trim().startsWith("whsec_")))
    throw new LaunchError(
      "STRIPE_WEBHOOK_SECRET must be the endpoint's signing secret (whsec_…), or several with commas.",
    )
  return { apiKey, webhookSecret }
}
