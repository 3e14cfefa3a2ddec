import pg from "pg"
import { describe, expect, it } from "vitest"
import { Locks } from "../src/index.js"
import { postgresStore } from "../src/postgres/index.js"
import { exerciseStore } from "../src/testing/index.js"
import { server } from "./postgres-server.js"

const postgres = server()

describe("postgresStore", () => {
  exerciseStore({
    describe,
    it,
    async open() {
      const { schema, connectionString, drop } = await postgres.space()
      return { store: () => postgresStore({ connectionString, schema }), close: drop }
    },
  })
})

it("connects with a client that it is given, and ends it", async () => {
  const { schema, connectionString, drop } = await postgres.space()
  const clients: pg.Client[] = []
  const client = () => {
    clients.push(new pg.Client({ connectionString, application_name: "my own" }))
    return clients[0] as pg.Client
  }
  const locks = new Locks(postgresStore({ client, schema }))
  await locks.acquire("key")
  const ended = new Promise<void>((resolve) => clients[0]?.on("end", () => resolve()))
  await locks.close()
  await ended
  await drop()
})

it("takes one way to the server, and no two", () => {
  const client = () => new pg.Client()
  expect(() => postgresStore({})).toThrow("one of them")
  expect(() => postgresStore({ client, connectionString: "postgres://localhost" })).toThrow("one of them")
})
