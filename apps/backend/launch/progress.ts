import { setInterval } from "node:timers"
import type { WriteStream } from "node:tty"
import pc from "picocolors"
import type { Shutdown } from "./shutdown.ts"

export type Colors = ReturnType<typeof pc.createColors>

/** Shows the progress of a start: live on a terminal, as plain lines in a log or a pipe. */
export interface Progress {
  colors: Colors
  /** Columns that a line may have. */
  width: number
  line(text?: string): void
  /** Shows a step with its duration; `work` may pass a detail to show beside the title. */
  step<T>(title: string, work: (tell: (detail: string) => void) => Promise<T>): Promise<T>
  /** Redraws the lines of `frame` while `work` runs; a log gets a line of `summary` every two seconds instead. */
  live<T>(frame: () => string[], summary: () => string, work: () => Promise<T>): Promise<T>
}

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]
const FRAME_MS = 80
const LOG_MS = 2_000

export function progressOn(stream: NodeJS.WriteStream): Progress {
  const colors = pc.createColors(stream.isTTY === true && !process.env.NO_COLOR)
  return stream.isTTY ? onTerminal(stream, colors) : inLog(stream, colors)
}

/** The same, but no step begins after a shutdown was requested. */
export function stoppable(progress: Progress, shutdown: Shutdown): Progress {
  const step: Progress["step"] = async (title, work) => {
    shutdown.throwIfRequested()
    const result = await progress.step(title, work)
    shutdown.throwIfRequested()
    return result
  }
  return { ...progress, step }
}

function onTerminal(stream: WriteStream, colors: Colors): Progress {
  const width = Math.min(stream.columns ?? 80, 100)
  let shown = 0
  const draw = (lines: string[]) => {
    const up = shown ? `\x1b[${shown}A` : ""
    stream.write(`${up}\r\x1b[J${lines.map((line) => `${line}\n`).join("")}`)
    shown = lines.length
  }
  const live: Progress["live"] = async (frame, _summary, work) => {
    stream.write("\x1b[?25l")
    const timer = setInterval(() => draw(frame()), FRAME_MS)
    try {
      return await work()
    } finally {
      clearInterval(timer)
      draw(frame())
      shown = 0
      stream.write("\x1b[?25h")
    }
  }
  const step: Progress["step"] = async (title, work) => {
    const started = performance.now()
    let mark = () => colors.cyan(FRAMES[Math.floor(performance.now() / FRAME_MS) % FRAMES.length] as string)
    let detail = ""
    const frame = () => [
      `  ${mark()} ${stepLine(colors, title, detail, performance.now() - started, width - 4)}`,
    ]
    const tell = (text: string) => {
      detail = text
    }
    return live(
      frame,
      () => "",
      async () => {
        try {
          const result = await work(tell)
          mark = () => colors.green("✓")
          return result
        } catch (error) {
          mark = () => colors.red("✗")
          throw error
        }
      },
    )
  }
  return { colors, width, line: (text = "") => void stream.write(`${text}\n`), step, live }
}

function inLog(stream: NodeJS.WriteStream, colors: Colors): Progress {
  const line = (text = "") => void stream.write(`${text}\n`)
  return {
    colors,
    width: 80,
    line,
    async step(title, work) {
      const started = performance.now()
      let detail = ""
      line(`  ${title} …`)
      const result = await work((text) => {
        detail = text
      })
      line(`  ✓ ${stepLine(colors, title, detail, performance.now() - started, 76)}`)
      return result
    },
    async live(_frame, summary, work) {
      const timer = setInterval(() => line(`    ${summary()}`), LOG_MS)
      try {
        return await work()
      } finally {
        clearInterval(timer)
      }
    },
  }
}

const TITLE = 22

function stepLine(colors: Colors, title: string, detail: string, ms: number, width: number): string {
  const time = `${(ms / 1000).toFixed(1)} s`.padStart(8)
  const room = width - TITLE - time.length - 2
  const fitting = detail.length > room ? `…${detail.slice(1 - room)}` : detail
  return `${title.padEnd(TITLE)}${colors.dim(time)}  ${colors.dim(fitting)}`.trimEnd()
}
