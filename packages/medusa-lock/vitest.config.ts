import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    name: "medusa-lock",
    include: ["test/**/*.test.ts"],
    globalSetup: "test/servers.ts",
    // Another process needs several seconds to load Medusa, and more where the machine is busy.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 20_000 } },
  },
})
