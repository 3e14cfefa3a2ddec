import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    name: "backend",
    include: ["test/**/*.test.ts"],
    // Each file in a process of its own costs as much as most files' tests, for the modules that it loads.
    isolate: false,
    globalSetup: "test/setup/template.ts",
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
  },
})
