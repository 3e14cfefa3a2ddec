import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    name: "backend",
    include: ["test/**/*.test.ts"],
    globalSetup: "test/setup/template.ts",
    // A shop is a process of 300 MB, and there are tests that count on having the two cores.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
