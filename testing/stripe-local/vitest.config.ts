import { defineConfig } from "vitest/config"

export default defineConfig({
  test: { name: "stripe-local", include: ["test/**/*.test.ts"] },
})
