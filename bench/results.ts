import { mkdir, readFile, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { cpus, release, type as system, totalmem } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Table } from "./bench.ts"

export interface Result {
  readonly bench: string
  readonly date: string
  readonly command: string
  readonly quick: boolean
  /** Machine, Node, servers and the versions of everything compared. */
  readonly about: Readonly<Record<string, string>>
  readonly seconds: number
  readonly tables: readonly Table[]
  readonly samples: Readonly<Record<string, unknown>>
}

/** Writes `FOLDER/NAME.json`, `NAME.md`, which the docs quote, and the charts. Returns the path of the second. */
export async function keep(
  result: Result,
  charts: Readonly<Record<string, string>>,
  folder: string,
  name: string,
): Promise<string> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, name)
  await writeFile(`${path}.json`, `${JSON.stringify(result, null, 1)}\n`)
  const images = Object.entries(charts).map(([chart, svg]) => ({ chart, svg, file: `${name}-${chart}.svg` }))
  for (const { svg, file } of images) await writeFile(join(folder, file), svg)
  const shown = images.map(({ chart, file }) => `\n![${chart}](${file})\n`)
  await writeFile(`${path}.md`, markdown(result) + shown.join(""))
  return `${path}.md`
}

export function markdown(result: Result): string {
  const warning = result.quick ? "**A quick run, to see that it runs: these figures mean nothing.**\n\n" : ""
  const about = Object.entries(result.about).map(([name, value]) => `- ${name}: ${value}`)
  const head = [`- ${result.date}, \`${result.command}\`, ${Math.round(result.seconds)} s`, ...about]
  const tables = result.tables.map(
    (it) => `## ${it.title}\n\n${markdownTable(it.columns, it.rows)}\n\n${it.note}\n`,
  )
  return `# Bench: ${result.bench}\n\n${warning}${head.join("\n")}\n\n${tables.join("\n")}`
}

function markdownTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((it) => it.replaceAll("|", "\\|")).join(" | ")} |`
  return [line(columns), line(columns.map(() => "---")), ...rows.map(line)].join("\n")
}

export async function machine(): Promise<Record<string, string>> {
  const cores = cpus()
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  return {
    Machine: `${cores.length} × ${cores[0]?.model.trim()}, ${memory}, ${system()} ${release()}`,
    Node: process.version,
    Versions: (await versions()).join(", "),
  }
}

const require = createRequire(import.meta.url)

/** The installed versions of this workspace's dependencies. */
async function versions(): Promise<string[]> {
  const { dependencies } = JSON.parse(await readFile(new URL("package.json", import.meta.url), "utf8")) as {
    dependencies: Record<string, string>
  }
  const named = Object.keys(dependencies).filter((name) => !name.startsWith("@holdfast/"))
  return Promise.all(named.map(async (name) => `${name} ${await versionOf(name)}`))
}

/** Read from the installed folder, since not every package exports its package.json. */
async function versionOf(name: string): Promise<string> {
  for (const folder of require.resolve.paths(name) ?? []) {
    const text = await readFile(join(folder, name, "package.json"), "utf8").catch(() => undefined)
    if (text) return String(JSON.parse(text).version).replace(/^v/, "")
  }
  return "?"
}

export const RESULTS = join(dirname(fileURLToPath(import.meta.url)), "results")
