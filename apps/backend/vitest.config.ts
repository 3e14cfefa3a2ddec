import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    name: "backend",
    include: ["test/**/*.test.ts"],
    // Each file in a process of its own costs as much as most files' tests, for the modules that it loads.
    isolate: false,
    globalSetup: "test/setup/template.ts",
    // A case that starts the shop anew took 60 s on a machine that was five times as busy as its two cores.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 20_000 } },
  },
})
