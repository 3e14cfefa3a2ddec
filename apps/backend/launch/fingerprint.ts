import { createHash } from "node:crypto"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join, relative } from "node:path"
import { backend } from "./paths.ts"

const require = createRequire(import.meta.url)

/** Changes when a file in one of the paths, or one of the words, does. A path that isn't there counts as empty. */
export function fingerprint(paths: string[], words: string[] = []): string {
  const hash = createHash("sha256")
  for (const word of words) hash.update(word).update("\0")
  for (const file of paths.flatMap(filesIn).sort()) {
    hash.update(relative(backend, file)).update("\0").update(readFileSync(file)).update("\0")
  }
  return hash.digest("hex").slice(0, 16)
}

function filesIn(path: string): string[] {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat?.isDirectory()) return stat ? [path] : []
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

/** The folder of an installed package. */
export function packageFolder(name: string): string {
  return dirname(require.resolve(`${name}/package.json`))
}

export function packageVersion(name: string): string {
  const { version } = JSON.parse(readFileSync(join(packageFolder(name), "package.json"), "utf8"))
  return `${name}@${version}`
}
