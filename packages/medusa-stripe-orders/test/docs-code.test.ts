import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import { expect, it } from "vitest"

const root = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "")
const PAGES = [
  "README.md",
  "packages/medusa-stripe-orders/README.md",
  ...["checkout", "holds", "hooks-and-events", "stock", "storefront", "medusa-lock", "lock"].map(
    (name) => `docs/${name}.md`,
  ),
]

/** What the reader's own files have: those of a store, and those of Medusa's Next.js starter. */
const READERS = `
declare const container: import("@medusajs/framework/types").MedusaContainer
declare const stripe: import("stripe").default
declare const locks: import("@holdfast/lock").Locks
declare const client: import("pg").Client
declare const id: string
declare const address: import("stripe").default.AddressParam
declare const cartId: string
declare const input: { item_id: string }
declare const myCheckoutWorkflow: (container: unknown) => { run(options: { input: unknown }): Promise<unknown> }
declare const countStockStep: (input: object) => import("@medusajs/framework/workflows-sdk").WorkflowData<number>
declare module "next/navigation" {
  export function useRouter(): { push(url: string): void; replace(url: string): void }
}
declare module "@modules/order/components/payment-outcome" {
  export default function PaymentOutcome(
    props: Record<"countryCode" | "id" | "secret", string>,
  ): import("react").ReactNode
}
`
/** As Medusa's build writes it into the store's \`.medusa/types\`. */
const BINDINGS = `
import type { StripeOrdersModuleService } from "@holdfast/medusa-stripe-orders/modules/stripe-orders"
declare module "@medusajs/framework/types" {
  interface ModuleImplementations { stripe_orders: StripeOrdersModuleService }
}
`
const COOKIES = `
export declare function getAuthHeaders(): Promise<Record<string, string>>
export declare function removeCartId(): Promise<void>
`

/** Every example that has imports, under the path that it names in its first line, or one of its own. */
function examples(): Map<string, string> {
  const files = new Map<string, string>()
  for (const page of PAGES) {
    const blocks = [...readFileSync(`${root}/${page}`, "utf8").matchAll(/```(tsx?)\n([\s\S]*?)```/g)]
    for (const [i, [, kind, code = ""]] of blocks.entries()) {
      if (!/^import /m.test(code)) continue
      const path = /^\/\/ (src\/\S+)/.exec(code)?.[1] ?? `src/${page.replaceAll("/", "-")}-${i}.${kind}`
      files.set(`${root}/apps/backend/docs/${path}`, `${code}\nexport {}\n`)
    }
  }
  return files
}

it("has examples that compile, in a store and in the Next.js starter", () => {
  const code = examples()
  expect(code.size).toBeGreaterThan(10)
  const files = new Map([
    ...code,
    [`${root}/apps/backend/docs/readers.d.ts`, READERS],
    [`${root}/apps/backend/docs/bindings.ts`, BINDINGS],
    [`${root}/apps/backend/docs/src/lib/data/cookies.ts`, COOKIES],
  ])
  const options: ts.CompilerOptions = {
    ...{ module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler },
    ...{ target: ts.ScriptTarget.ES2022, lib: ["lib.es2023.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"] },
    ...{ strict: true, noEmit: true, skipLibCheck: true, jsx: ts.JsxEmit.Preserve, types: ["node", "react"] },
    paths: { "@lib/*": [`${root}/apps/backend/docs/src/lib/*`] },
  }
  const program = ts.createProgram([...files.keys()], options, hostOf(files, options))
  const errors = [...code.keys()].flatMap((path) => {
    const source = program.getSourceFile(path)
    if (!source) return [`${path} was not compiled`]
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
      ({ messageText }) => `${path.slice(root.length)}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`,
    )
  })
  expect(errors).toEqual([])
}, 120_000)

/** The disk, with these files beside what it has. */
function hostOf(files: Map<string, string>, options: ts.CompilerOptions): ts.CompilerHost {
  const disk = ts.createCompilerHost(options)
  const folders = new Set(
    [...files.keys()].flatMap((path) => path.split("/").map((_, i, all) => all.slice(0, i).join("/"))),
  )
  return {
    ...disk,
    fileExists: (path) => files.has(path) || disk.fileExists(path),
    directoryExists: (path) => folders.has(path) || (disk.directoryExists?.(path) ?? false),
    readFile: (path) => files.get(path) ?? disk.readFile(path),
    getSourceFile: (path, language) => {
      const code = files.get(path)
      return code === undefined
        ? disk.getSourceFile(path, language)
        : ts.createSourceFile(path, code, language)
    },
  }
}
