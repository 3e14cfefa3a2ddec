import { defineConfig } from "vitest/config"

export default defineConfig({
  test: { name: "medusa-stripe-orders", include: ["test/**/*.test.ts"], globalSetup: "test/postgres.ts" },
})
