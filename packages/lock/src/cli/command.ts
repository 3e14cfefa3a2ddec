import { parseArgs } from "node:util"
import { checkName } from "../arguments.js"

/** The command line is invalid. The message is for its user. */
export class UsageError extends Error {}

export interface Place {
  /** As it was given. */
  readonly store: string
  readonly url: URL
  readonly prefix: string | undefined
  readonly schema: string | undefined
}

export type Command = { readonly name: "help" } | { readonly name: "version" } | StoreCommand

export type StoreCommand =
  | { readonly name: "list"; readonly place: Place; readonly json: boolean }
  | { readonly name: "watch"; readonly place: Place }
  | { readonly name: "release"; readonly place: Place; readonly key: string }

export const HELP = `Usage: holdfast-lock <command> --store <url>

Commands:
  list            the leases and the waiting requests, now
  watch           the same as a table that follows, until Ctrl-C
  release <key>   takes the key away from its holder; the next request gets it

Options:
  --store <url>   redis://, rediss:// or postgres://; HOLDFAST_LOCK_STORE by
                  default, which keeps a password out of the list of processes
  --prefix <name> the lock space in Redis, "holdfast" by default
  --schema <name> the lock space in Postgres, "holdfast_lock" by default; it is
                  never created here
  --json          list: as JSON, a line
  --help, --version

Exit status: 0 done, 1 no lease held the key, 2 a mistake in the command line,
3 the store could not be asked.
`

const OPTIONS = {
  store: { type: "string" },
  prefix: { type: "string" },
  schema: { type: "string" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
  version: { type: "boolean", default: false },
} as const

export function parseCommand(args: string[], env: NodeJS.ProcessEnv): Command {
  const { values, positionals } = parse(args)
  const [name, ...rest] = positionals
  if (values.help) return { name: "help" }
  if (values.version) return { name: "version" }
  if (name !== "list" && name !== "watch" && name !== "release")
    throw new UsageError(name ? `There is no command "${name}"` : "A command is missing")
  if (values.json && name !== "list") throw new UsageError("--json is for list")
  const [key] = rest
  if (name === "release" && key === undefined) throw new UsageError("release needs a key")
  if (rest.length > (name === "release" ? 1 : 0)) throw new UsageError("There are too many arguments")
  const place = placeOf(values.store ?? env.HOLDFAST_LOCK_STORE, values)
  if (name === "release") return { name, place, key: checkName("key", key) }
  return name === "list" ? { name, place, json: values.json } : { name, place }
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true })
  } catch (error) {
    // Its message would repeat what was typed, which may be a URL with a password.
    const { code } = error as { code?: string }
    const option = args.find((arg) => /^-/.test(arg) && !known(arg))?.replace(/=.*/s, "")
    if (code === "ERR_PARSE_ARGS_UNKNOWN_OPTION" && option)
      throw new UsageError(`There is no option ${option}`)
    throw new UsageError("An option lacks its value, or has one that it doesn't take")
  }
}

const known = (arg: string) => arg === "-h" || arg.slice(2).replace(/=.*/s, "") in OPTIONS

function placeOf(store: string | undefined, { prefix, schema }: { prefix?: string; schema?: string }): Place {
  if (!store) throw new UsageError("--store or HOLDFAST_LOCK_STORE must say where the locks are")
  if (!/^(rediss?|postgres(ql)?):\/\//.test(store) || !URL.canParse(store))
    throw new UsageError("The store must be a URL that starts with redis://, rediss:// or postgres://")
  const url = new URL(store)
  if (isRedis(url) && schema !== undefined) throw new UsageError("--schema is for Postgres")
  if (!isRedis(url) && prefix !== undefined) throw new UsageError("--prefix is for Redis")
  return { store, url, prefix, schema }
}

export const isRedis = ({ protocol }: URL): boolean => protocol.startsWith("redis")
