import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    name: "backend",
    include: ["test/**/*.test.ts"],
    globalSetup: "test/setup/template.ts",
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
  },
})
