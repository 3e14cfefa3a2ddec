/** A workflow's hooks as a store sees them: each takes a handler, one at most. */
interface Hooked {
  hooks: object
}

type Register = (...args: unknown[]) => unknown

/**
 * The hooks of a workflow that a store has given a handler, by name. Medusa doesn't tell, and what a hook is asked with is
 * gathered only where a handler answers.
 */
export function handledHooks({ hooks }: Hooked): ReadonlySet<string> {
  const handled = new Set<string>()
  const registers = hooks as Record<string, Register>
  for (const [name, register] of Object.entries(registers)) {
    registers[name] = (...args) => {
      const result = register(...args)
      handled.add(name)
      return result
    }
  }
  return handled
}
