import { createStep, createWorkflow, StepResponse, WorkflowResponse } from "@medusajs/framework/workflows-sdk"
import { acquireLockStep, releaseLockStep } from "../src/steps.js"
import { type ProviderConfig, startMedusa } from "./medusa.js"

/**
 * A process of its own, with a Medusa on the provider that it is given: says what it has done, line by line, and does
 * what it is told, one word each.
 */
const [, , given = ""] = process.argv
const { container, locking, stop } = await startMedusa(JSON.parse(given) as ProviderConfig)
const say = (line: unknown) => process.stdout.write(`${line}\n`)

const holdStep = createStep("hold", async () => {
  say("held")
  await new Promise(() => setInterval(() => undefined, 1_000))
  return new StepResponse(true)
})
const holding = createWorkflow("holding", (input: { key: string }) => {
  acquireLockStep({ key: input.key, ttl: 120 })
  holdStep()
  return new WorkflowResponse(releaseLockStep({ key: input.key }))
})

const deeds: Record<string, () => Promise<unknown>> = {
  acquire: () => locking.acquire("key", { expire: 60 }).then(() => "acquired"),
  release: () => locking.release("key"),
  execute: () => locking.execute("key", async () => "executed", { timeout: 30 }),
  hold: () => holding(container).run({ input: { key: "of a workflow" } }),
  job: () => locking.execute("of a job", () => new Promise(() => say("held"))),
  stop: () => stop().then(() => process.stdin.destroy()),
}

process.stdin.setEncoding("utf8").on("data", async (words: string) => {
  for (const word of words.trim().split("\n")) {
    const answer = await deeds[word]?.().catch((error) => error.message)
    say(answer)
  }
})
say("ready")
