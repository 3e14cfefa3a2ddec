import { spawn } from "node:child_process"
import { once } from "node:events"
import { expect, it, onTestFinished } from "vitest"
import { startStripeLocal } from "../src/index.js"

it("a port in use is reported", async () => {
  const local = await startStripeLocal()
  await expect(startStripeLocal({ port: local.port })).rejects.toThrow("EADDRINUSE")
  await local.close()
})

it("closing leaves nothing that keeps the process alive", async () => {
  const script = `
    import { once } from "node:events"
    import { createServer } from "node:http"
    import { startStripeLocal } from "./src/index.ts"
    const silent = createServer(() => {}).listen(0).unref()
    const local = await startStripeLocal({ retryDelays: [60_000] })
    local.addWebhookEndpoint({ url: "http://127.0.0.1:1/closed" })
    local.delivery = { delay: () => 60_000, duplicate: () => 1 }
    await local.client().customers.create()
    local.delivery = {}
    local.addWebhookEndpoint({ url: "http://127.0.0.1:" + silent.address().port })
    void local.client().customers.create()
    await once(silent, "request")
    const held = local.faults.next("GET /v1/**", { hang: "before" })
    local.client().events.list().catch(() => {})
    await held.reached
    await local.close()
    process.on("exit", () => console.log("exits"))
    console.log("closed")
  `
  const root = new URL("..", import.meta.url)
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", script], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  })
  onTestFinished(() => void child.kill("SIGKILL"))
  let output = ""
  child.stdout.on("data", (chunk) => {
    output += chunk
  })
  const [code] = await once(child, "exit")
  expect([code, output]).toEqual([0, "closed\nexits\n"])
})
