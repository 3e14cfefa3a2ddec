import { defineConfig } from "tsdown"

export default defineConfig({
  entry: { index: "src/index.ts", memory: "src/memory.ts", testing: "src/testing/index.ts" },
  format: ["esm", "cjs"],
  fixedExtension: false,
  platform: "node",
  target: "node20.19",
  dts: true,
})
