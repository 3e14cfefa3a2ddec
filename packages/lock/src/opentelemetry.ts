import { type Attributes, type MeterProvider, metrics } from "@opentelemetry/api"
import type { LockEvent, LockListener } from "./events.js"

export interface LockMetricsOptions {
  /** Where the metrics go; by default to OpenTelemetry's global provider as it is at the first event. */
  meterProvider?: MeterProvider | undefined
  /**
   * The class of a key, such as `"cart"` of `"cart:1"`, which becomes an attribute: so there must be few classes.
   * Must give the same class for a key each time; `undefined` for none. Without it nothing of the keys is reported.
   */
  classOf?: ((key: string) => string | undefined) | undefined
}

/** The boundaries that OpenTelemetry advises for waits in seconds end at 10 s; a lease may be held for longer. */
const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300]

const OUTCOME = "holdfast.lock.outcome"
const KEY_CLASS = "holdfast.lock.key_class"

/**
 * Turns what happens to locks into OpenTelemetry metrics: `new Locks(store, { on: lockMetrics() })`. One of these
 * may listen to several `Locks`, whose figures add up.
 */
export function lockMetrics({ meterProvider, classOf }: LockMetricsOptions = {}): LockListener {
  let made: ReturnType<typeof instruments> | undefined
  // Made at the first event: instruments that are made before the SDK starts never count anything.
  const to = () => {
    made ??= instruments(meterProvider ?? metrics.getMeterProvider())
    return made
  }
  const about = ({ keys }: LockEvent): Attributes => {
    const classes = classOf ? [...new Set(keys.map(classOf))].filter((it) => it !== undefined) : []
    return classes.length > 0 ? { [KEY_CLASS]: classes.sort().join(",") } : {}
  }

  const waited = (event: LockEvent & { waited: number }, outcome: string) => {
    const attributes = about(event)
    to().waiting.add(-1, attributes)
    to().waitTime.record(event.waited / 1_000, { ...attributes, [OUTCOME]: outcome })
    return attributes
  }
  const held = (event: LockEvent & { held: number }, outcome: string) => {
    const attributes = about(event)
    to().held.add(-1, attributes)
    to().holdTime.record(event.held / 1_000, { ...attributes, [OUTCOME]: outcome })
    return attributes
  }

  return {
    requested: (event) => to().waiting.add(1, about(event)),
    granted(event) {
      const attributes = waited(event, "granted")
      if (event.kept) to().held.add(1, attributes)
    },
    timedOut(event) {
      // To find a key busy at a single try is an answer, and no reason for an alarm.
      if (event.timeout === 0) waited(event, "busy")
      else to().timeouts.add(1, waited(event, "timed_out"))
    },
    deadlocked: (event) => to().deadlocks.add(1, waited(event, "deadlocked")),
    aborted: (event) => void waited(event, "aborted"),
    failed: (event) => to().failures.add(1, waited(event, "failed")),
    renewed: (event) => to().renewals.add(1, about(event)),
    released: (event) => void held(event, "released"),
    lost: (event) => to().losses.add(1, held(event, "lost")),
  }
}

function instruments(provider: MeterProvider) {
  const meter = provider.getMeter("@holdfast/lock")
  const seconds = (description: string) => ({
    description,
    unit: "s",
    advice: { explicitBucketBoundaries: SECONDS },
  })
  return {
    waitTime: meter.createHistogram(
      "holdfast.lock.wait_time",
      seconds("How long requests waited for their keys, by what they came to"),
    ),
    holdTime: meter.createHistogram(
      "holdfast.lock.hold_time",
      seconds("How long leases were held, by how they ended"),
    ),
    waiting: meter.createUpDownCounter("holdfast.lock.waiting", {
      description: "Requests of this process that wait",
      unit: "{request}",
    }),
    held: meter.createUpDownCounter("holdfast.lock.held", {
      description: "Leases that this process holds",
      unit: "{lease}",
    }),
    timeouts: meter.createCounter("holdfast.lock.timeouts", {
      description: "Requests whose keys stayed busy for all of their timeout",
      unit: "{request}",
    }),
    deadlocks: meter.createCounter("holdfast.lock.deadlocks", {
      description: "Requests that were refused since they would have waited for themselves",
      unit: "{request}",
    }),
    failures: meter.createCounter("holdfast.lock.failures", {
      description: "Requests that failed since the store could not be asked",
      unit: "{request}",
    }),
    renewals: meter.createCounter("holdfast.lock.renewals", {
      description: "Renewals and extensions of leases",
      unit: "{renewal}",
    }),
    losses: meter.createCounter("holdfast.lock.losses", {
      description: "Leases that expired or were taken away while they were held",
      unit: "{lease}",
    }),
  }
}
