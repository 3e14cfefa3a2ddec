import { createRequire } from "node:module"
import { LockArgumentError } from "../errors.js"
import { Locks } from "../locks.js"
import { HELP, type Place, parseCommand, type StoreCommand, UsageError } from "./command.js"
import { explain, nameOf, openStore } from "./place.js"
import { json, table } from "./table.js"
import { printable } from "./text.js"
import { watch } from "./watch.js"

const DONE = 0
const NOT_HELD = 1
const MISTAKE = 2
const STORE_FAILED = 3

/** Runs the command line, and returns its exit status. */
export async function main(args: string[]): Promise<number> {
  try {
    const command = parseCommand(args, process.env)
    if (command.name === "help") return say(HELP.trimEnd())
    if (command.name === "version") return say(version())
    return await at(command.place, (locks) => run(command, locks))
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof LockArgumentError)) throw error
    return complain(`${error.message}. See holdfast-lock --help`, MISTAKE)
  }
}

async function at(place: Place, work: (locks: Locks) => Promise<number>): Promise<number> {
  let locks: Locks | undefined
  try {
    locks = new Locks(await openStore(place))
    return await work(locks)
  } catch (error) {
    if (error instanceof UsageError) throw error
    return complain(explain(error, place), error instanceof LockArgumentError ? MISTAKE : STORE_FAILED)
  } finally {
    await locks?.close().catch(() => undefined)
  }
}

function run(command: StoreCommand, locks: Locks): Promise<number> {
  if (command.name === "list") return list(locks, command.json)
  if (command.name === "release") return release(locks, command.key)
  return follow(locks, command.place)
}

async function list(locks: Locks, asJson: boolean): Promise<number> {
  const states = await locks.inspect()
  if (asJson) return say(json(states))
  const columns = process.stdout.isTTY ? process.stdout.columns : undefined
  return say(states.length > 0 ? table(states, columns).join("\n") : "No key is held, and no request waits.")
}

async function release(locks: Locks, key: string): Promise<number> {
  const before = (await locks.inspect()).find((state) => state.key === key)
  const name = printable(key)
  if (!(await locks.forceRelease(key))) return complain(`No lease holds ${name}`, NOT_HELD)
  const [holder] = before?.holders ?? []
  const whose = holder ? `, which ${printable(holder.owner)} held with token ${holder.token}` : ""
  const others = new Set(before?.holders.flatMap(({ keys }) => keys).filter((other) => other !== key))
  const also = others.size > 0 ? `, and with it ${[...others].map(printable).join(", ")}` : ""
  return say(`Released ${name}${whose}${also}`)
}

async function follow(locks: Locks, place: Place): Promise<number> {
  if (!process.stdout.isTTY)
    throw new UsageError("watch needs a terminal; holdfast-lock list tells the same once")
  const say = (error: unknown) => explain(error, place)
  await watch(process.stdout, nameOf(place), () => locks.inspect(), say)
  return DONE
}

function say(text: string): number {
  process.stdout.write(`${text}\n`)
  return DONE
}

function complain(text: string, status: number): number {
  process.stderr.write(`holdfast-lock: ${text}\n`)
  return status
}

function version(): string {
  return createRequire(import.meta.url)("../../package.json").version
}
