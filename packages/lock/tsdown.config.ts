import { defineConfig } from "tsdown"

export default defineConfig({
  entry: {
    cli: "src/cli.ts",
    index: "src/index.ts",
    memory: "src/memory.ts",
    opentelemetry: "src/opentelemetry.ts",
    redis: "src/redis/index.ts",
    postgres: "src/postgres/index.ts",
    fence: "src/fence.ts",
    testing: "src/testing/index.ts",
  },
  format: ["esm", "cjs"],
  // One file for each source file: bundled, the CommonJS chunks came to require each other in a circle.
  unbundle: true,
  // A script that jest runs by require() can't import().
  outputOptions: { dynamicImportInCjs: false },
  fixedExtension: false,
  platform: "node",
  target: "node20.19",
  dts: true,
  // `await using` under a target before ESNext, where the types of Node don't bring it.
  banner: { dts: '/// <reference lib="esnext.disposable" />' },
  // In CI every warning fails the build: CommonJS is meant, and a slow machine is no fault of the code.
  checks: { legacyCjs: false, pluginTimings: false },
})
