import { spawn } from "node:child_process"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { backend } from "../../launch/paths.ts"

export interface Start {
  pid: number
  stdout: string
  stderr: string
  /** Settles with the exit status. */
  ended: Promise<number | null>
  signal(signal: NodeJS.Signals): void
  /** Settles when the text has been printed. */
  says(text: string): Promise<void>
}

export interface StartOptions {
  args?: string[]
  env?: Record<string, string>
}

export const newDataDir = () => mkdtempSync(join(tmpdir(), "holdfast-data-"))

const running = new Set<Start>()

/** `npm start` as npm runs it. */
export function start({ args = [], env = {} }: StartOptions): Start {
  const child = spawn(process.execPath, ["--import", "tsx", "launch/main.ts", ...args], {
    cwd: backend,
    env: { ...process.env, NODE_OPTIONS: "", ...env },
  })
  const listeners = new Set<() => void>()
  const started: Start = {
    pid: child.pid ?? 0,
    stdout: "",
    stderr: "",
    ended: new Promise((resolve) => child.once("close", resolve)),
    signal: (signal) => void child.kill(signal),
    says: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (`${started.stdout}${started.stderr}`.includes(text)) resolve()
        }
        listeners.add(look)
        look()
        child.once("close", () =>
          reject(new Error(`It ended without printing "${text}":\n${started.stdout}${started.stderr}`)),
        )
      }),
  }
  const collect = (stream: "stdout" | "stderr") => (chunk: Buffer) => {
    started[stream] += chunk
    for (const listener of listeners) listener()
  }
  child.stdout.on("data", collect("stdout"))
  child.stderr.on("data", collect("stderr"))
  running.add(started)
  started.ended.then(() => running.delete(started))
  return started
}

/** For afterEach: ends starts that a failed test left running. */
export async function endStarts() {
  for (const each of running) each.signal("SIGTERM")
  await Promise.all([...running].map(({ ended }) => ended))
}
