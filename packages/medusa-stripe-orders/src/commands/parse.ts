import { type ParseArgsConfig, parseArgs } from "node:util"
import { dateFrom } from "../dates"
import { isPaymentState, PAYMENT_STATES, type PaymentState, statesOf } from "../payments/states"

/** What was typed, understood. */
export type Command =
  | { name: "help" }
  | { name: "list"; json: boolean; status?: PaymentState[]; reason?: string; q?: string; limit: number }
  | { name: "show"; json: boolean; ids: string[] }
  | {
      name: "retry"
      json: boolean
      person: string
      which: string[] | { status?: PaymentState; reason?: string }
    }
  | { name: "dismiss"; json: boolean; person: string; ids: string[]; reason: string }
  | { name: "reconcile"; json: boolean; person: string; since: Date; until: Date }

/** What is wrong with what was typed, for the person who typed it. */
export class UsageError extends Error {
  override readonly name = "UsageError"
}

export const HELP = `Stripe payments, and what became of them.

  npx medusa exec FILE -- COMMAND

  list [--status STATE …] [--reason TEXT] [--q TEXT] [--limit N]
      Payments, the newest first; --reason finds a part of the reason, --q an id or how an e-mail address or a name begins.
  show ID …
      Payments with everything that happened to them.
  retry ID …
  retry --status STATE [--reason TEXT]
      Takes up again what waits for a person: these payments, or all of a kind.
  dismiss ID … --reason TEXT
      Nothing is left to do about these payments, which need review: the reason stays on their timeline.
  reconcile --since DATE [--until DATE]
      Compares what Stripe has of a span with what became of it here, and takes up what is missing.

  --json         prints JSON
  --by NAME      who does it, for the timeline ("command line")
  --help         prints this

States: ${PAYMENT_STATES.join(", ")}
Dates: 2026-11-27 or 2026-11-27T03:00:00Z; without a time zone in the server's own.`

const OPTIONS = {
  list: {
    status: { type: "string", multiple: true },
    reason: { type: "string" },
    q: { type: "string" },
    limit: { type: "string", default: "50" },
  },
  show: {},
  retry: { status: { type: "string" }, reason: { type: "string" } },
  dismiss: { reason: { type: "string" } },
  reconcile: { since: { type: "string" }, until: { type: "string" } },
} as const satisfies Record<string, ParseArgsConfig["options"]>

const COMMON = {
  json: { type: "boolean", default: false },
  by: { type: "string", default: "command line" },
} as const satisfies ParseArgsConfig["options"]

/**
 * What follows the script's file. Medusa refuses options that it doesn't know before `--`, and passes on nothing that
 * comes after it.
 */
export function typedArguments(argv: string[], passedOn: string[]): string[] {
  const end = argv.indexOf("--")
  const before = end === -1 ? argv : argv.slice(0, end)
  const after = end === -1 ? [] : argv.slice(end + 1)
  return [...passedOn, ...after, ...(before.includes("--json") ? ["--json"] : [])]
}

/** @throws UsageError */
export function parseCommand([name, ...rest]: string[]): Command {
  const asksForHelp = [name, ...rest].some((argument) => argument === "--help" || argument === "-h")
  switch (asksForHelp ? undefined : name) {
    case undefined:
      return { name: "help" }
    case "list":
      return parseList(rest)
    case "show":
      return parseShow(rest)
    case "retry":
      return parseRetry(rest)
    case "dismiss":
      return parseDismiss(rest)
    case "reconcile":
      return parseReconcile(rest)
    default:
      throw new UsageError(`There is no command ${name}: there are ${Object.keys(OPTIONS).join(", ")}`)
  }
}

function parseList(args: string[]): Command {
  const { values } = read(() => parseArgs({ args, options: { ...OPTIONS.list, ...COMMON } }))
  const { json, status, reason, q } = values
  const limit = Number(values.limit)
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) {
    throw new UsageError("--limit must be a whole number from 1 to 10000")
  }
  return { name: "list", json, status: status?.map(stateOf), reason, q, limit }
}

function parseShow(args: string[]): Command {
  const { values, positionals } = read(() =>
    parseArgs({ args, options: { ...OPTIONS.show, ...COMMON }, allowPositionals: true }),
  )
  if (positionals.length === 0) {
    throw new UsageError("show needs the id of a payment intent (pi_…), or several")
  }
  return { name: "show", json: values.json, ids: positionals }
}

function parseRetry(args: string[]): Command {
  const { values, positionals } = read(() =>
    parseArgs({ args, options: { ...OPTIONS.retry, ...COMMON }, allowPositionals: true }),
  )
  const { json, by, status, reason } = values
  const isOfKind = status !== undefined || reason !== undefined
  if (isOfKind === positionals.length > 0) {
    throw new UsageError("retry needs either ids of payment intents (pi_…), or --status and --reason")
  }
  const which = isOfKind
    ? { status: status === undefined ? undefined : waitingStateOf(status), reason }
    : positionals
  return { name: "retry", json, person: by, which }
}

function parseDismiss(args: string[]): Command {
  const { values, positionals } = read(() =>
    parseArgs({ args, options: { ...OPTIONS.dismiss, ...COMMON }, allowPositionals: true }),
  )
  if (positionals.length === 0 || !values.reason) {
    throw new UsageError("dismiss needs ids of payment intents (pi_…), and --reason")
  }
  return { name: "dismiss", json: values.json, person: values.by, ids: positionals, reason: values.reason }
}

function parseReconcile(args: string[]): Command {
  const { values } = read(() => parseArgs({ args, options: { ...OPTIONS.reconcile, ...COMMON } }))
  if (values.since === undefined) {
    throw new UsageError("reconcile needs --since")
  }
  const since = dateOf("--since", values.since)
  const until = values.until === undefined ? new Date() : dateOf("--until", values.until)
  if (since >= until) {
    throw new UsageError("--since must be before --until")
  }
  return { name: "reconcile", json: values.json, person: values.by, since, until }
}

/** Node's own words tell which option is wrong. */
function read<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error })
  }
}

function stateOf(given: string): PaymentState {
  if (!isPaymentState(given)) {
    throw new UsageError(`--status must be one of ${PAYMENT_STATES.join(", ")}`)
  }
  return given
}

/** Of another state a retry would take up none, and say nothing of why. */
function waitingStateOf(given: string): PaymentState {
  const state = stateOf(given)
  const waiting = statesOf("person")
  if (!waiting.includes(state)) {
    throw new UsageError(
      `--status must be one of ${waiting.join(", ")}: only what waits for a person is taken up again`,
    )
  }
  return state
}

function dateOf(option: string, given: string): Date {
  const date = dateFrom(given)
  if (!date) {
    throw new UsageError(`${option} must be a date that exists, such as 2026-11-27 or 2026-11-27T03:00:00Z`)
  }
  return date
}
