import { afterEach, beforeEach, expect, test } from "vitest"
import { readSettings } from "../../launch/settings.ts"

const NAMES = [
  "PORT",
  "DATABASE_URL",
  "STRIPE_API_KEY",
  "STRIPE_WEBHOOK_SECRET",
  "HOLDFAST_STOCK",
  "HOLDFAST_LOCK_KEY",
  "REDIS_URL",
]
const outside = { ...process.env }

beforeEach(() => {
  for (const name of [...NAMES, "CAPTURE_METHOD"]) delete process.env[name]
})

afterEach(() => {
  process.env = { ...outside }
})

test("needs no variable at all", () => {
  expect(readSettings()).toEqual({ port: 9000, databaseUrl: undefined, stripe: undefined })
})

test("takes the port of the command line before that of the environment", () => {
  process.env.PORT = "9001"
  expect(readSettings().port).toBe(9001)
  expect(readSettings("9002").port).toBe(9002)
})

test("takes several signing secrets, for a rotation", () => {
  Object.assign(process.env, { STRIPE_API_KEY: "rk_live_x", STRIPE_WEBHOOK_SECRET: "whsec_new, whsec_old" })
  expect(readSettings().stripe).toEqual({ apiKey: "rk_live_x", webhookSecret: "whsec_new, whsec_old" })
})

test.each([
  [{ PORT: "http" }, 'PORT is "http", and must be a whole number from 1 to 65535'],
  [{ PORT: "70000" }, "PORT is"],
  [{ DATABASE_URL: "localhost/shop" }, "DATABASE_URL must look like postgres://"],
  [{ DATABASE_URL: "postgres://localhost" }, "DATABASE_URL must look like postgres://"],
  [{ STRIPE_API_KEY: "sk_test_x" }, "STRIPE_WEBHOOK_SECRET is missing"],
  [{ STRIPE_WEBHOOK_SECRET: "whsec_x" }, "STRIPE_API_KEY is missing"],
  [{ STRIPE_API_KEY: "pk_test_x", STRIPE_WEBHOOK_SECRET: "whsec_x" }, "STRIPE_API_KEY must be a secret key"],
  [{ STRIPE_API_KEY: "sk_x", STRIPE_WEBHOOK_SECRET: "whsec_a,b" }, "STRIPE_WEBHOOK_SECRET must be"],
  [{ REDIS_URL: "localhost:6379" }, "REDIS_URL must look like redis://"],
  [{ REDIS_URL: "" }, "REDIS_URL must look like redis://"],
  [{ HOLDFAST_STOCK: "both" }, "HOLDFAST_STOCK is"],
  [{ HOLDFAST_LOCK_KEY: "item" }, "must be one of: payment_intent, cart, both"],
  [{ CAPTURE_METHOD: "later" }, "CAPTURE_METHOD is"],
])("refuses %o and names it", (env, message) => {
  Object.assign(process.env, env)
  expect(() => readSettings()).toThrow(message)
})
