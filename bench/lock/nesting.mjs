/**
 * What `trackNesting` costs the promises of a process: `npx -y node@20 bench/lock/nesting.mjs`, after `npm run build`, and the
 * same with another version of Node. Each line is a process of its own, since the first tracked run may leave a cost behind.
 */
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Locks } from "@holdfast/lock"
import { memoryStore } from "@holdfast/lock/memory"

const AWAITS = 2_000_000
const RUNS = 200_000
const ROUNDS = 5
const SITUATIONS = ["no tracked run", "after a tracked run", "in a tracked run", "in 3 nested tracked runs"]

async function awaits() {
  const step = async (n) => n
  let sum = 0
  for (let i = 0; i < AWAITS; i++) sum += await step(1)
  return sum
}

/** The least of some rounds, in ns for each of `count`. */
async function best(count, work) {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    await work()
    least = Math.min(least, performance.now() - start)
  }
  return Math.round((least * 1e6) / count)
}

async function measure(situation) {
  const locks = new Locks(memoryStore(), { trackNesting: true })
  if (situation === "no tracked run") return best(AWAITS, awaits)
  if (situation === "after a tracked run") {
    await locks.run("key", () => undefined)
    return best(AWAITS, awaits)
  }
  const depth = situation === "in a tracked run" ? 1 : 3
  const nested = (level) =>
    level === 0 ? best(AWAITS, awaits) : locks.run(`key ${level}`, () => nested(level - 1))
  return nested(depth)
}

async function pairs(trackNesting) {
  const locks = new Locks(memoryStore(), { trackNesting })
  return best(RUNS, async () => {
    for (let i = 0; i < RUNS; i++) await locks.run("key", () => undefined)
  })
}

const [only] = process.argv.slice(2)
if (only === undefined) {
  console.log(process.version)
  const say = (argument) =>
    process.stdout.write(
      execFileSync(process.execPath, [fileURLToPath(import.meta.url), argument], { encoding: "utf8" }),
    )
  for (const argument of [...SITUATIONS, "untracked pairs", "tracked pairs"]) say(argument)
} else if (only.endsWith("pairs")) {
  console.log(`${only.padEnd(26)} ${await pairs(only === "tracked pairs")} ns a run`)
} else {
  console.log(`${only.padEnd(26)} ${await measure(only)} ns an await`)
}
