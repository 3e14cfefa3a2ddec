import { fork } from "node:child_process"
import { once } from "node:events"
import { readdir } from "node:fs/promises"
import { tmpdir } from "node:os"
import { fileURLToPath } from "node:url"
import { afterEach, expect, it } from "vitest"
import { type LocalRedis, startRedis } from "../src/index.ts"
import { say } from "../src/say.ts"

const running: LocalRedis[] = []
afterEach(async () => {
  for (const redis of running.splice(0)) await redis.kill()
})

async function start(): Promise<LocalRedis> {
  const redis = await startRedis()
  running.push(redis)
  return redis
}

it("starts on a port of its own, and again on the same one without its data", async () => {
  const [one, two] = [await start(), await start()]
  await one.say("SET", "key", "one")
  expect(await two.say("GET", "key")).toBe("$-1\r\n")
  const { port, pid } = one
  await one.kill()
  await expect(one.say("PING")).rejects.toThrow("ECONNREFUSED")
  await one.restart()
  expect([one.port, await one.say("GET", "key")]).toEqual([port, "$-1\r\n"])
  expect(one.pid).not.toBe(pid)
})

it("is wiped on demand", async () => {
  const redis = await start()
  await redis.say("SET", "key", "value")
  await redis.wipe()
  expect(await redis.say("DBSIZE")).toBe(":0\r\n")
})

it.each(["running", "stopped by a signal"])(
  "doesn't outlive its starter, %s, when that is killed",
  async (state) => {
    const folders = async () => (await readdir(tmpdir())).filter((name) => name.startsWith("redis-local-"))
    const before = await folders()
    const launcher = fork(fileURLToPath(new URL("launcher.ts", import.meta.url)), {
      execArgv: ["--import", "tsx"],
    })
    const [{ pid, port }] = await once(launcher, "message")
    const own = (await folders()).filter((name) => !before.includes(name))
    if (state !== "running") process.kill(pid, "SIGSTOP")
    launcher.kill("SIGKILL")
    await expect.poll(() => say(port, ["PING"]).catch(({ code }) => code)).toBe("ECONNREFUSED")
    await expect.poll(async () => (await folders()).filter((name) => own.includes(name))).toEqual([])
  },
)
