// Starts Redis in a process of its own, which a test then kills: node --import tsx launcher.ts
import { startRedis } from "../src/index.ts"

startRedis().then(({ pid, port }) => {
  process.send?.({ pid, port })
  setInterval(() => {}, 60_000)
})
