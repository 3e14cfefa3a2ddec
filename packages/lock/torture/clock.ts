/** CLOCK_MONOTONIC in ms: common to all processes of one machine, and nothing sets it. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
