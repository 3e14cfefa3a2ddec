import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import ts from "typescript"
import { backend, server } from "../../apps/backend/launch/paths.ts"

const folder = join(backend, ".medusa", "bench-oversell")
const ROUTE = join("src", "api", "naive")

/** Lays out the built shop without the plugin, and with the naive workflow and its webhook. Returns the folder. */
export function layOut(): string {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, ROUTE), { recursive: true })
  link(server, folder, ["src", "medusa-config.js"])
  link(join(server, "src"), join(folder, "src"), ["workflows"])
  writeFileSync(
    join(folder, "medusa-config.js"),
    `const { default: config } = require("../server/medusa-config.js")
module.exports = { ...config, plugins: [], modules: { ...config.modules, locking: { resolve: "@medusajs/medusa/locking" } } }
`,
  )
  for (const name of ["create-order-naively", "route"]) transpile(name)
  return folder
}

function link(from: string, to: string, except: string[]): void {
  for (const name of readdirSync(from))
    if (!except.includes(name)) symlinkSync(join(from, name), join(to, name))
}

function transpile(name: string): void {
  const source = readFileSync(new URL(`shop/${name}.ts`, import.meta.url), "utf8")
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: {
      module: ts.ModuleKind.CommonJS,
      target: ts.ScriptTarget.ES2021,
      esModuleInterop: true,
    },
  })
  writeFileSync(join(folder, ROUTE, `${name}.js`), outputText)
}
