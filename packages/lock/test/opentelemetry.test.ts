import { setTimeout as delay } from "node:timers/promises"
import { metrics } from "@opentelemetry/api"
import {
  AggregationTemporality,
  type DataPoint,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics"
import { expect, it } from "vitest"
import { Locks } from "../src/index.js"
import { memoryStore } from "../src/memory.js"
import { lockMetrics } from "../src/opentelemetry.js"

/** OpenTelemetry's own SDK, with what it would export. */
function sdk() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
  const meterProvider = new MeterProvider({ readers: [reader] })
  const read = async () => {
    exporter.reset()
    await meterProvider.forceFlush()
    return exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
  }
  return {
    meterProvider,
    read,
    /** For each instrument its points, as [attributes, value]; of a histogram the count. */
    async values() {
      const entries = (await read()).map(({ descriptor, dataPoints }) => [
        descriptor.name.replace("holdfast.lock.", ""),
        (dataPoints as DataPoint<number | Histogram>[]).map(({ attributes, value }) => [
          Object.values(attributes).join(" "),
          typeof value === "number" ? value : value.count,
        ]),
      ])
      return Object.fromEntries(entries)
    },
  }
}

it("counts what is held and waits, and what it came to", async () => {
  const { meterProvider, values } = sdk()
  const locks = new Locks(memoryStore(), { on: lockMetrics({ meterProvider }) })
  const lease = await locks.acquire(["a", "b"])
  const stop = new AbortController()
  const aborted = locks.acquire("a", { signal: stop.signal })
  const waiting = locks.acquire("b")
  expect(await values()).toMatchObject({ held: [["", 1]], waiting: [["", 2]] })

  stop.abort()
  await expect(aborted).rejects.toMatchObject({ code: "LOCK_ABORTED" })
  await locks.acquire("a", { timeout: 5 }).catch(() => undefined)
  await locks.tryAcquire("a")
  await locks.acquire("a", { holding: lease }).catch(() => undefined)
  await lease.extend()
  await lease.release()
  const next = await waiting
  await locks.forceRelease("b")
  await next.release()
  await locks.acquireById("id", "elsewhere")

  const { wait_time, hold_time, ...rest } = await values()
  expect(Object.fromEntries(wait_time)).toEqual({
    granted: 3,
    busy: 1,
    timed_out: 1,
    deadlocked: 1,
    aborted: 1,
  })
  expect(Object.fromEntries(hold_time)).toEqual({ released: 1, lost: 1 })
  expect(rest).toEqual({
    held: [["", 0]],
    waiting: [["", 0]],
    timeouts: [["", 1]],
    deadlocks: [["", 1]],
    renewals: [["", 1]],
    losses: [["", 1]],
  })
  await meterProvider.shutdown()
})

it("measures in seconds, by names and units as OpenTelemetry has them", async () => {
  const { meterProvider, read } = sdk()
  const locks = new Locks(memoryStore(), { on: lockMetrics({ meterProvider }) })
  const lease = await locks.acquire("key")
  await delay(60)
  await lease.release()
  const all = await read()
  for (const { descriptor } of all) expect(descriptor.name).toMatch(/^holdfast\.lock(\.[a-z][a-z_]*[a-z])$/)
  const holdTime = all.find(({ descriptor }) => descriptor.name === "holdfast.lock.hold_time")
  expect(holdTime?.descriptor.unit).toBe("s")
  const histogram = holdTime?.dataPoints[0]?.value as Histogram | undefined
  expect(histogram?.sum).toBeGreaterThan(0.059)
  expect(histogram?.sum).toBeLessThan(30)
  expect(histogram?.buckets.boundaries).toContain(0.05)
  await meterProvider.shutdown()
})

it("says nothing of the keys but their class, and this only where it is named", async () => {
  const { meterProvider, read } = sdk()
  const plain = new Locks(memoryStore(), { on: lockMetrics({ meterProvider }) })
  const classed = new Locks(memoryStore(), {
    on: lockMetrics({ meterProvider, classOf: (key) => /^(.*):/.exec(key)?.[1] }),
  })
  for (let n = 0; n < 100; n++) {
    await plain.run([`item:${n}`, `cart:${n}`], () => undefined)
    await classed.run([`item:${n}`, `cart:${n}`, `item:x${n}`, `other ${n}`], () => undefined)
  }
  for (const { dataPoints } of await read()) {
    const classes = dataPoints.map(({ attributes }) => attributes["holdfast.lock.key_class"])
    expect(classes).toEqual([undefined, "cart,item"])
  }
  await meterProvider.shutdown()
})

it("counts the store's failures", async () => {
  const { meterProvider, values } = sdk()
  const store = { connect: () => Promise.reject(new Error("no route")) }
  const locks = new Locks(store, { on: lockMetrics({ meterProvider }) })
  await locks.acquire("key").catch(() => undefined)
  expect(await values()).toMatchObject({
    failures: [["", 1]],
    waiting: [["", 0]],
    wait_time: [["failed", 1]],
  })
  await locks.close()
  await meterProvider.shutdown()
})

it("finds an SDK that starts after the locks were made", async () => {
  const locks = new Locks(memoryStore(), { on: lockMetrics() })
  const { meterProvider, values } = sdk()
  metrics.setGlobalMeterProvider(meterProvider)
  await locks.run("key", () => undefined)
  expect(await values()).toMatchObject({ hold_time: [["released", 1]] })
  metrics.disable()
  await meterProvider.shutdown()
})
