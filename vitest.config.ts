import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    // The tests wait for their servers for a quarter of the time: two workers left a quarter of two cores idle.
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
    projects: [
      "packages/*/vitest.config.ts",
      "testing/*/vitest.config.ts",
      "apps/*/vitest.config.ts",
      "bench/vitest.config.ts",
    ],
  },
})
