import { describe, expect, it } from "vitest"
import { HELP, parseCommand, typedArguments } from "../src/commands/parse"
import { PAYMENT_STATES } from "../src/payments/states"

const parse = (line: string) => parseCommand(line.split(" ").filter(Boolean))

describe("what is typed", () => {
  it.each([
    [["medusa", "exec", "f.js", "list"], ["list"], ["list"]],
    [["medusa", "exec", "f.js", "--", "list", "--q", "a"], [], ["list", "--q", "a"]],
    [["medusa", "exec", "f.js", "list", "--", "--q", "a"], ["list"], ["list", "--q", "a"]],
    [["medusa", "exec", "f.js", "list", "--json"], ["list"], ["list", "--json"]],
  ])("is found behind the script's file: %j", (argv, passedOn, expected) => {
    expect(typedArguments(argv, passedOn)).toEqual(expected)
  })

  it.each<[string, object]>([
    ["", { name: "help" }],
    ["retry --help", { name: "help" }],
    ["list", { name: "list", json: false, limit: 50 }],
    [
      "list --status review --status disputed --q ada --limit 5 --json",
      { name: "list", json: true, status: ["review", "disputed"], q: "ada", limit: 5 },
    ],
    ["show pi_1 pi_2", { name: "show", json: false, ids: ["pi_1", "pi_2"] }],
    [
      "dismiss pi_1 --reason settled",
      { name: "dismiss", json: false, person: "command line", ids: ["pi_1"], reason: "settled" },
    ],
    ["retry pi_1 --by ada", { name: "retry", json: false, person: "ada", which: ["pi_1"] }],
    [
      "retry --status review --reason timeout",
      { name: "retry", json: false, person: "command line", which: { status: "review", reason: "timeout" } },
    ],
    [
      "reconcile --since 2026-11-01T00:00:00Z --until 2026-11-02T00:00:00Z",
      {
        name: "reconcile",
        json: false,
        person: "command line",
        since: new Date("2026-11-01T00:00:00Z"),
        until: new Date("2026-11-02T00:00:00Z"),
      },
    ],
  ])("is understood: %s", (line, expected) => {
    expect(JSON.parse(JSON.stringify(parse(line)))).toEqual(JSON.parse(JSON.stringify(expected)))
  })

  it.each([
    ["lost", "There is no command lost: there are list, show, retry, dismiss, reconcile"],
    ["dismiss pi_1", "dismiss needs ids of payment intents (pi_…), and --reason"],
    ["list --stat review", "Unknown option '--stat'"],
    ["list --status lost", "--status must be one of pending, "],
    ["list --limit 0", "--limit must be a whole number"],
    ["list pi_1", "Unexpected argument 'pi_1'"],
    ["show", "show needs the id"],
    ["retry", "retry needs either ids"],
    ["retry pi_1 --status review", "retry needs either ids"],
    ["retry --status completed", "only what waits for a person is taken up again"],
    ["reconcile", "reconcile needs --since"],
    ["reconcile --since 2026-02-31", "--since must be a date that exists"],
    ["reconcile --since 2026-02-01 --until 2026-02-30T00:00:00Z", "--until must be a date that exists"],
    ["reconcile --since yesterday", "--since must be a date"],
    ["reconcile --since 2026-11-02 --until 2026-11-01", "--since must be before --until"],
  ])("is refused where it is wrong, and says why: %s", (line, message) => {
    expect(() => parse(line)).toThrow(message)
  })

  it("is explained", () => {
    for (const word of ["list", "show", "retry", "dismiss", "reconcile", "--json", ...PAYMENT_STATES]) {
      expect(HELP).toContain(word)
    }
  })
})
