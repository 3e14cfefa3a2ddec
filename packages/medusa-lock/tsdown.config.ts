import { defineConfig } from "tsdown"

export default defineConfig({
  entry: {
    memory: "src/memory.ts",
    redis: "src/redis.ts",
    postgres: "src/postgres.ts",
    steps: "src/steps.ts",
    inspect: "src/inspect.ts",
  },
  format: ["esm", "cjs"],
  unbundle: true,
  fixedExtension: false,
  platform: "node",
  target: "node20.19",
  dts: true,
  // In CI every warning fails the build: CommonJS is meant, and a slow machine is no fault of the code.
  checks: { legacyCjs: false, pluginTimings: false },
  // Medusa brings these itself, in one instance; their types must not be copied into ours either.
  external: [/^@medusajs\//, /^@holdfast\//],
})
