import { StepResponse } from "@medusajs/framework/workflows-sdk"
import { within } from "../waker"

/** A workflow's hooks as a store sees them: each takes a handler, one at most. */
interface Hooked {
  hooks: object
}

type Handler = (...args: unknown[]) => unknown
type Register = (handler: Handler, ...compensation: unknown[]) => unknown

/**
 * The hooks of a workflow that a store has given a handler, by name. Medusa doesn't tell, and what a hook is asked with is
 * gathered only where a handler answers.
 *
 * A handler has `seconds` to answer: one that hangs would hold up the orders of the whole shop, silently. Its answer counts
 * without a `StepResponse` too: Medusa drops it then, and with it a forgotten wrapper would turn a store's fraud rule off.
 */
export function handledHooks({ hooks }: Hooked, seconds: number): ReadonlySet<string> {
  const handled = new Set<string>()
  const registers = hooks as Record<string, Register>
  for (const [name, register] of Object.entries(registers)) {
    registers[name] = (handler, ...compensation) => {
      const result = register(inTime(name, handler, seconds), ...compensation)
      handled.add(name)
      return result
    }
  }
  return handled
}

function inTime(name: string, handler: Handler, seconds: number): Handler {
  return async (...args) => {
    const answer = await within(seconds * 1000, Promise.resolve(handler(...args)), `the store's ${name} hook`)
    return answer === undefined || answer instanceof StepResponse ? answer : new StepResponse(answer)
  }
}
