import { once } from "node:events"
import { setTimeout as delay } from "node:timers/promises"
import type { WriteStream } from "node:tty"
import type { KeyState } from "../store.js"
import { busiest, table } from "./table.js"
import { left, right, shorten, widthOf } from "./text.js"

const EVERY = 500

const ESC = "\x1b["
const OPEN = `${ESC}?1049h${ESC}?25l`
const CLOSE = `${ESC}?25h${ESC}?1049l`

export interface View {
  readonly title: string
  readonly states: readonly KeyState[]
  /** Why the states are old, where the store could not be asked. */
  readonly problem: string | undefined
}

/** Shows what `look` sees until a signal ends it. Throws where the very first look fails. */
export async function watch(
  terminal: WriteStream,
  title: string,
  look: () => Promise<readonly KeyState[]>,
  explain: (error: unknown) => string,
): Promise<void> {
  let view: View = { title, states: await look(), problem: undefined }
  const stop = new AbortController()
  const stopped = once(stop.signal, "abort")
  const end = () => stop.abort()
  const draw = () => terminal.write(frame(view, terminal.columns, terminal.rows))
  const refresh = async () => {
    await delay(EVERY, undefined, { signal: stop.signal })
    view = await next(view, look, explain)
  }
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, end)
  terminal.on("resize", draw)
  terminal.write(OPEN)
  try {
    while (!stop.signal.aborted) {
      draw()
      // A store that doesn't answer must not delay the end.
      await Promise.race([refresh().catch(() => undefined), stopped])
    }
  } finally {
    terminal.off("resize", draw)
    if (!terminal.write(CLOSE)) await once(terminal, "drain")
  }
}

async function next(
  view: View,
  look: () => Promise<readonly KeyState[]>,
  explain: (error: unknown) => string,
): Promise<View> {
  try {
    return { ...view, states: await look(), problem: undefined }
  } catch (error) {
    return { ...view, problem: explain(error) }
  }
}

/**
 * One write that overwrites the last frame in place: a screen that is cleared first flickers. A line is erased before
 * it is written: after a line that fills the row the cursor still stands on its last character.
 */
export function frame(view: View, columns = 80, rows = 24): string {
  const lines = picture(view, columns, rows).map((line) => `${ESC}K${line}`)
  return `${ESC}H${lines.join("\r\n")}${ESC}J`
}

function picture({ title, states, problem }: View, columns: number, rows: number): string[] {
  const room = Math.max(rows - 4, 1)
  const shown = busiest(states, states.length > room ? room - 1 : room)
  const [head = "", ...body] = table(shown, columns)
  const hidden = states.length - shown.length
  return [
    headline(title, summary(states), columns),
    problem ? shorten(problem, columns) : "",
    `${ESC}2m${head}${ESC}22m`,
    ...(states.length > 0 ? body : [shorten("No key is held, and no request waits.", columns)]),
    ...(hidden > 0 ? [shorten(`… and ${hidden} more with fewer waiters`, columns)] : []),
  ]
}

function headline(title: string, summary: string, columns: number): string {
  const room = Math.max(columns - widthOf(summary) - 2, 0)
  return shorten(left(shorten(title, room), room) + right(summary, columns - room), columns)
}

function summary(states: readonly KeyState[]): string {
  const held = states.filter(({ holders }) => holders.length > 0).length
  const waiting = new Set(states.flatMap(({ waiters }) => waiters.map(({ id }) => id))).size
  return `${held} held, ${waiting} waiting`
}
