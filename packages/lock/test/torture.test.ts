import { randomInt } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "vitest"
import { torture } from "../torture/torture.ts"

/** The nightly form of this is `npm run torture`. */
it.each(["redis", "postgres"] as const)(
  "keeps its promises on %s while everything fails",
  async (store) => {
    const seed = randomInt(1_000_000)
    const folder = join(tmpdir(), `holdfast-torture-${store}-${seed}-${process.pid}`)
    const { figures, violations } = await torture({ store, grants: 2_500, seed, folder })
    expect(violations, `seed ${seed}, the records are in ${folder}`).toEqual([])
    const { kills, pauses, cuts, hangs, restarts, wipes, grants } = figures
    expect(Math.min(kills, pauses, cuts, hangs, restarts)).toBeGreaterThan(0)
    expect(wipes > 0).toBe(store === "redis")
    expect(grants).toBeGreaterThanOrEqual(2_500)
  },
  180_000,
)
