import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    name: "medusa-lock",
    include: ["test/**/*.test.ts"],
    // Each file in a process of its own costs as much as most files' tests, for the modules that it loads.
    isolate: false,
    globalSetup: "test/servers.ts",
    // Another process needs several seconds to load Medusa, and more where the machine is busy.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 20_000 } },
  },
})
