import { setTimeout as sleep } from "node:timers/promises"
import { acquireLockStep, releaseLockStep } from "@holdfast/medusa-lock/steps"
import {
  acquireLockStep as medusasAcquireLockStep,
  releaseLockStep as medusasReleaseLockStep,
} from "@medusajs/core-flows"
import { createStep, createWorkflow, StepResponse, WorkflowResponse } from "@medusajs/framework/workflows-sdk"
import { type Bench, type Finding, inRounds, type Run } from "./bench.ts"
import { format, spread } from "./figures.ts"
import { type Locking, openLocking, PROVIDERS, type Provider } from "./medusa/locking.ts"

/** How long each workflow holds its lock, in ms. */
const JOB = 5
/** In seconds, as in complete-cart. */
const TIMEOUT = 30
const TTL = 120

interface Input {
  key: string
  provider: string
}

let inside = 0
let together = 0
const workStep = createStep("work", async () => {
  together = Math.max(together, ++inside)
  await sleep(JOB)
  inside--
  return new StepResponse(true)
})

const medusas = createWorkflow("medusas-steps", ({ key, provider }: Input) => {
  medusasAcquireLockStep({ key, provider, timeout: TIMEOUT, ttl: TTL })
  workStep()
  // Medusa's release step passes its provider on, though its type doesn't declare it.
  medusasReleaseLockStep({ key, provider } as { key: string })
  return new WorkflowResponse(true)
})

const ours = createWorkflow("holdfasts-steps", ({ key, provider }: Input) => {
  acquireLockStep({ key, provider, timeout: TIMEOUT, ttl: TTL })
  workStep()
  releaseLockStep({ key, provider })
  return new WorkflowResponse(true)
})

interface Sample {
  /** The duration as a multiple of the ideal: all jobs one after the other, without a pause. */
  readonly times: number
  readonly lost: number
  /** The greatest number of workflows that were in the lock at once. */
  readonly together: number
}

let keys = 0

async function measure(run: Locking, { id, isOurs }: Provider, count: number): Promise<Sample> {
  const workflow = isOurs ? ours : medusas
  const input = { key: `bench ${++keys}`, provider: id }
  await workflow(run.container).run({ input: { ...input, key: "warm" }, throwOnError: false })
  together = 0
  const started = performance.now()
  const runs = Array.from({ length: count }, () =>
    workflow(run.container)
      .run({ input })
      .then(
        () => 0,
        () => 1,
      ),
  )
  const lost = (await Promise.all<number>(runs)).reduce((sum, it) => sum + it, 0)
  const wall = performance.now() - started
  return { times: wall / ((count - lost) * JOB), lost, together }
}

/** How fast do workflows that wait for one key finish, and how many time out? */
async function queue(run: Run): Promise<Finding> {
  const locking = await openLocking(run)
  const providers = PROVIDERS.filter(({ store }) => run.stores.includes(store))
  const sizes = run.quick
    ? [{ count: 10, rounds: 1 }]
    : [
        { count: 100, rounds: 3 },
        { count: 500, rounds: 1 },
      ]
  const tables = []
  const samples: Record<string, unknown> = {}
  for (const { count, rounds } of sizes) {
    const found = await inRounds(rounds, providers, async (provider) => {
      const sample = await measure(locking, provider, count)
      run.say(
        `${count} on ${provider.name}: ${format(sample.times, 2)} × ideal, ${sample.lost} lost, ${sample.together} together`,
      )
      return sample
    })
    samples[count] = Object.fromEntries([...found].map(([{ name }, it]) => [name, it]))
    const rows = [...found].map(([{ name }, it]) => [
      name,
      spread(
        it.map(({ times }) => times),
        2,
      ),
      spread(it.map(({ lost }) => lost)),
      String(Math.max(...it.map(({ together }) => together))),
    ])
    tables.push({ title: `${count} workflows on one key`, columns: COLUMNS, rows, note: NOTE })
  }
  await locking.close()
  return { tables, samples }
}

const COLUMNS = ["", "Wall ÷ ideal", "Lost", "In the lock at once"]
const NOTE =
  `All start in one tick: acquire (timeout ${TIMEOUT} s, ttl ${TTL} s), a step of ${JOB} ms, release. Medusa's providers with ` +
  "Medusa's steps, Holdfast's with Holdfast's. Ideal: the finished jobs one after the other, without a pause and " +
  "without the workflow engine's own time. Lost: gave up at the timeout."

export const bench: Bench = {
  about: "acquireLockStep of Medusa and of @holdfast/medusa-lock, in workflows that wait for one key",
  questions: { queue },
}
