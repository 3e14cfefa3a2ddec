import { describe, it } from "vitest"
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
