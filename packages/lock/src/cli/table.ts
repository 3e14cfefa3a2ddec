import { byKey } from "../locks.js"
import type { KeyState } from "../store.js"
import { duration, left, printable, right, shorten, widthOf } from "./text.js"

const HEAD = ["KEY", "HOLDER", "TOKEN", "HELD", "EXPIRES", "WAITERS", "LONGEST"]
const GAP = "  "

/** A line for the heads of the columns and one for each key. Keys and holders are shortened to fit into `columns`. */
export function table(states: readonly KeyState[], columns = Number.POSITIVE_INFINITY): string[] {
  const rows = [HEAD, ...states.map(row)]
  const widths = HEAD.map((_, at) => Math.max(...rows.map((cells) => widthOf(cells[at] ?? ""))))
  const [key = 0, holder = 0, ...figures] = widths
  const room = Math.max(columns - figures.reduce((sum, width) => sum + width + GAP.length, GAP.length), 0)
  // The key may have two thirds, and what the other leaves.
  const forHolder = Math.min(holder, Math.max(Math.floor(room / 3), room - key))
  const forKey = Math.min(key, room - forHolder)
  const lines = rows.map(([key = "", holder = "", ...rest]) =>
    [
      left(shorten(key, forKey), forKey),
      left(shorten(holder, forHolder), forHolder),
      ...rest.map((cell, at) => right(cell, figures[at] ?? 0)),
    ]
      .join(GAP)
      .trimEnd(),
  )
  // The figures alone may be wider than a narrow terminal.
  return columns === Number.POSITIVE_INFINITY ? lines : lines.map((line) => shorten(line, columns))
}

function row({ key, holders, waiters }: KeyState): string[] {
  const [holder] = holders
  const again = holders.length > 1 ? ` ×${holders.length}` : ""
  const longest = (values: number[]) => (values.length > 0 ? duration(Math.max(...values)) : "")
  return [
    printable(key),
    holder ? printable(holder.owner) + again : "",
    holder ? String(holder.token) : "",
    longest(holders.map(({ age }) => age)),
    longest(holders.map(({ expiresIn }) => expiresIn)),
    waiting(waiters),
    waiters[0] ? duration(waiters[0].age) : "",
  ]
}

/** With how many of them hold leases meanwhile: it is they who can deadlock. */
function waiting(waiters: KeyState["waiters"]): string {
  if (waiters.length === 0) return ""
  const holding = waiters.filter(({ holds = [] }) => holds.length > 0).length
  return holding > 0 ? `${waiters.length}, ${holding} holding` : String(waiters.length)
}

/** In JSON there are neither bigints nor infinities: a token is a string, what has no end expires in null. */
export function json(states: readonly KeyState[]): string {
  return JSON.stringify(states, (_, value) => (typeof value === "bigint" ? String(value) : value))
}

/** The first `count` by the number of those who wait, in the order of their keys. */
export function busiest(states: readonly KeyState[], count: number): KeyState[] {
  return [...states]
    .sort((a, b) => b.waiters.length - a.waiters.length)
    .slice(0, count)
    .sort(byKey)
}
