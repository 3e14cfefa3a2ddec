import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    name: "medusa-stripe-orders",
    include: ["test/**/*.test.ts"],
    // Each file in a process of its own costs as much as most files' tests, for the modules that it loads.
    isolate: false,
    globalSetup: "test/postgres.ts",
  },
})
