import { defineConfig } from "tsdown"

export default defineConfig({
  entry: { memory: "src/memory.ts", steps: "src/steps.ts" },
  format: ["esm", "cjs"],
  unbundle: true,
  fixedExtension: false,
  platform: "node",
  target: "node20.19",
  dts: true,
  // Medusa brings these itself, in one instance; their types must not be copied into ours either.
  external: [/^@medusajs\//, /^@holdfast\//],
})
