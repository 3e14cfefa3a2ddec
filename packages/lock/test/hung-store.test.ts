import { describe, expect, it } from "vitest"
import { Locks } from "../src/index.js"
import { everyRun } from "./nightly.js"
import { storesBehindProxy } from "./stores-behind-proxy.js"

describe.each(everyRun(storesBehindProxy(), ["Redis by url", "Postgres by pool"]))(
  "%s, where the store hangs",
  (_, open) => {
    it("from the start: a request that times out is told as a failure of the store", async () => {
      await using behind = await open(2_000)
      behind.proxy.hang()
      const failed: string[] = []
      const on = { failed: ({ error }: { error: { code: string } }) => failed.push(error.code) }
      await using locks = new Locks(behind.store, { timeout: 1_000, on })
      await expect(locks.acquire("key")).rejects.toMatchObject({ code: "LOCK_STORE_FAILED" })
      expect(failed).toEqual(["LOCK_STORE_FAILED"])
    })

    it("later: a request that is asked then, and one that waits, are told so", async () => {
      await using behind = await open(2_000)
      await using locks = new Locks(behind.store, { timeout: 1_000 })
      await using other = new Locks(behind.direct)
      await (await locks.acquire("warm")).release()
      await other.acquire("key")
      await expect(locks.acquire("key")).rejects.toMatchObject({ code: "LOCK_TIMEOUT" })
      behind.proxy.hang()
      await expect(locks.acquire("key")).rejects.toMatchObject({ code: "LOCK_STORE_FAILED" })
      await expect(locks.acquire("free")).rejects.toMatchObject({ code: "LOCK_STORE_FAILED" })
    })
  },
)
