import { defineConfig } from "vitest/config"

export default defineConfig({
  test: { name: "medusa-lock", include: ["test/**/*.test.ts"], globalSetup: "test/servers.ts" },
})
