import { randomInt } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "vitest"
import { torture } from "../torture/torture.ts"
import { isNightly } from "./nightly.js"

const GRANTS = isNightly ? 2_500 : 1_000

/** The nightly form of this is `npm run torture`. */
it.each(["redis", "postgres"] as const)(
  "keeps its promises on %s while everything fails",
  async (store) => {
    const seed = randomInt(1_000_000)
    const folder = join(tmpdir(), `holdfast-torture-${store}-${seed}-${process.pid}`)
    const { figures, violations } = await torture({ store, grants: GRANTS, seed, folder })
    expect(violations, `seed ${seed}, the records are in ${folder}`).toEqual([])
    const { kills, pauses, cuts, hangs, lostAnswers, restarts, wipes, grants } = figures
    expect(Math.min(kills, pauses, cuts, hangs, lostAnswers, restarts)).toBeGreaterThan(0)
    expect(wipes > 0).toBe(store === "redis")
    expect(grants).toBeGreaterThanOrEqual(GRANTS)
  },
  180_000,
)
