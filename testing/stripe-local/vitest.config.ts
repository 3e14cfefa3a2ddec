import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    name: "stripe-local",
    include: ["test/**/*.test.ts"],
    // Each file in a process of its own costs as much as most files' tests, for the modules that it loads.
    isolate: false,
    testTimeout: 30_000,
  },
})
