// Starts PostgreSQL in a process of its own, which a test then kills: node --import tsx launcher.ts <dataDir>
import { startPostgres, unsafeFastSettings } from "../src/index.ts"

startPostgres({ dataDir: process.argv[2] as string, settings: unsafeFastSettings }).then(
  ({ pid, port }) => {
    process.send?.({ pid, port })
    setInterval(() => {}, 60_000)
  },
  (error) => process.send?.({ code: error.code, message: error.message }, () => process.exit(1)),
)
