// Supervises a sleep in a process of its own, which a test then kills: node --import tsx launcher.ts <folder>
import { openSync } from "node:fs"
import { join } from "node:path"
import { supervise } from "../src/index.ts"

const [folder = ""] = process.argv.slice(2)
const log = openSync(join(folder, "log"), "a")
const sleep = { name: "holdfast-sleep", program: "sleep", args: ["60"] }
const { pid } = await supervise({ ...sleep, signal: "KILL", log, remove: folder })
process.send?.(pid)
setInterval(() => {}, 60_000)
