import { contenderNamed } from "./contenders/index.ts"
import { contend } from "./contention.ts"
import type { Order } from "./crew.ts"
import { type Held, hold } from "./holder.ts"
import { gather, rest } from "./idleness.ts"

// A member of a crew: does as it is told, with a contender of its own, until its parent is gone.
const [name = "", address = ""] = process.argv.slice(2)
const opened = await contenderNamed(name).open(address)
await opened.pair(`warm:${process.pid}`)

let holding: Promise<Held> | undefined

process.on("message", async (order: Order) => {
  process.send?.(await obey(order))
})
process.on("disconnect", () => process.exit())
process.send?.("ready")

async function obey(order: Order): Promise<unknown> {
  if (order.do === "hold")
    return new Promise<string>((answer) => {
      holding = hold(opened, order, () => answer("begun"))
      holding.finally(() => answer("never begun"))
    })
  if (order.do === "report") return holding
  if (order.do === "gather") return gather(opened, order.what, order.count)
  if (order.do === "rest") return rest(order.window)
  const before = opened.sent?.() ?? 0
  const found = await contend(opened, order.waiters, order.job)
  return { ...found, sent: (opened.sent?.() ?? 0) - before }
}
