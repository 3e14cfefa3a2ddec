import { defineConfig } from "@medusajs/framework/utils"

const env = process.env
const backendUrl = env.MEDUSA_BACKEND_URL ?? "http://localhost:9000"
const list = (text: string | undefined) => text?.split(",").map((entry) => entry.trim())

const stripe = env.STRIPE_HOST
  ? { host: env.STRIPE_HOST, port: Number(env.STRIPE_PORT), protocol: "http" }
  : {}

/** Shared by all processes of the shop: in its own database, or in Redis where there is one. */
const locking = env.REDIS_URL
  ? { resolve: "@holdfast/medusa-lock/redis", id: "redis", options: { redisUrl: env.REDIS_URL } }
  : { resolve: "@holdfast/medusa-lock/postgres", id: "postgres" }

/** The store's own event bus and workflow engine, where they are to be in Redis too. */
const redisModules =
  env.REDIS_URL && env.HOLDFAST_REDIS_MODULES === "true"
    ? [
        { resolve: "@medusajs/medusa/event-bus-redis", options: { redisUrl: env.REDIS_URL } },
        {
          resolve: "@medusajs/medusa/workflow-engine-redis",
          options: { redis: { redisUrl: env.REDIS_URL } },
        },
      ]
    : []

/** The tests' second shop: Medusa's gift cards and store credit have hooks of cart completion, which cost the fast path. */
const loyalty =
  env.SHOP_LOYALTY_PLUGIN === "true" ? [{ resolve: "@medusajs/loyalty-plugin", options: {} }] : []

export default defineConfig({
  projectConfig: {
    databaseUrl: env.DATABASE_URL,
    http: {
      storeCors: env.STORE_CORS ?? "http://localhost:8000",
      adminCors: env.ADMIN_CORS ?? backendUrl,
      authCors: env.AUTH_CORS ?? backendUrl,
      jwtSecret: env.JWT_SECRET,
      cookieSecret: env.COOKIE_SECRET,
    },
    // A browser sends a secure cookie back over https only, and the first start is on plain http.
    cookieOptions: { sameSite: "lax", secure: backendUrl.startsWith("https:") },
  },
  admin: { disable: env.DISABLE_MEDUSA_ADMIN === "true", backendUrl: "/" },
  modules: [
    ...redisModules,
    {
      resolve: "@medusajs/medusa/locking",
      options: { providers: [{ ...locking, is_default: true }] },
    },
    {
      resolve: "@medusajs/medusa/payment",
      options: {
        providers: [
          {
            resolve: "./src/modules/stripe-payment",
            id: "stripe",
            options: {
              apiKey: env.STRIPE_API_KEY,
              webhookSecret: env.STRIPE_WEBHOOK_SECRET,
              capture: env.CAPTURE_METHOD === "automatic",
              asyncPaymentMethodTypes: ["sepa_debit", "us_bank_account"],
              ...stripe,
            },
          },
        ],
      },
    },
  ],
  plugins: [
    ...loyalty,
    {
      resolve: "@holdfast/medusa-stripe-orders",
      options: {
        apiKey: env.STRIPE_API_KEY,
        webhookSecrets: list(env.STRIPE_WEBHOOK_SECRET),
        lockKey: env.HOLDFAST_LOCK_KEY ?? "payment_intent",
        whenOutOfStock: env.HOLDFAST_WHEN_OUT_OF_STOCK ?? "refund",
        paidTwice: env.HOLDFAST_PAID_TWICE ?? "review",
        orderWithoutMoney: env.HOLDFAST_ORDER_WITHOUT_MONEY ?? "keep",
        stock: env.HOLDFAST_STOCK ?? "reserve",
        capture: env.HOLDFAST_CAPTURE ?? "after_stock",
        lock: { timeout: Number(env.HOLDFAST_LOCK_TIMEOUT ?? 30), ttl: Number(env.HOLDFAST_LOCK_TTL ?? 120) },
        paymentProvider: env.HOLDFAST_PAYMENT_PROVIDER ?? "pp_stripe_stripe",
        unknownPayments: env.HOLDFAST_UNKNOWN_PAYMENTS ?? "review",
        accounts: list(env.HOLDFAST_ACCOUNTS) ?? [],
        maxAttempts: Number(env.HOLDFAST_MAX_ATTEMPTS ?? 20),
        hold: JSON.parse(env.HOLDFAST_HOLD ?? "{}"),
        fetchEventsEvery: Number(env.HOLDFAST_FETCH_EVENTS_EVERY ?? 300),
        stripe,
      },
    },
  ],
})
