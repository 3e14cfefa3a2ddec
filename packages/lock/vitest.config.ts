import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    name: "lock",
    include: ["test/**/*.test.ts"],
    // Each file in a process of its own costs as much as most files' tests, for the modules that it loads.
    isolate: false,
    testTimeout: 30_000,
    // A poll waits for a server, which a busy machine keeps waiting: the default of 1 s is a timing in an assertion.
    expect: { poll: { timeout: 20_000 } },
  },
})
