import { defineConfig } from "vitest/config"

export default defineConfig({
  test: { name: "stripe-local", include: ["test/**/*.test.ts"], testTimeout: 30_000 },
})
