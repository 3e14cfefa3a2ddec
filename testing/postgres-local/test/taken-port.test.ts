import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import getPort from "get-port"
import { expect, test, vi } from "vitest"
import { startPostgres, unsafeFastSettings } from "../src/index.ts"

// The only way to let another program take the port between the choice and the start.
vi.mock("get-port", async (original) => {
  const actual = await original<typeof import("get-port")>()
  return { ...actual, default: vi.fn(actual.default) }
})

test.each([true, false])("takes another port than one just taken (persistent: %s)", async (persistent) => {
  const folder = await mkdtemp(join(tmpdir(), "postgres-local-"))
  const other = createServer().listen(0, "127.0.0.1")
  await once(other, "listening")
  const { port: taken } = other.address() as AddressInfo
  vi.mocked(getPort).mockResolvedValueOnce(taken)
  const postgres = await startPostgres({
    dataDir: join(folder, "data"),
    persistent,
    settings: unsafeFastSettings,
  })
  expect(postgres.port).not.toBe(taken)
  await postgres.stop()
  other.close()
  await rm(folder, { recursive: true })
})
