/** What waits on a signal, behind one listener: Node warns of an eleventh on the same signal. */
interface Waiting {
  readonly callbacks: Set<() => void>
  readonly listener: () => void
}

const waiting = new WeakMap<AbortSignal, Waiting>()

/** Calls `callback` when `signal` aborts. Returns what undoes that; with the last callback the listener goes too. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const { callbacks, listener } = waiting.get(signal) ?? listenTo(signal)
  callbacks.add(callback)
  return () => {
    callbacks.delete(callback)
    if (callbacks.size > 0 || waiting.get(signal)?.callbacks !== callbacks) return
    waiting.delete(signal)
    signal.removeEventListener("abort", listener)
  }
}

function listenTo(signal: AbortSignal): Waiting {
  const callbacks = new Set<() => void>()
  const listener = () => {
    waiting.delete(signal)
    for (const callback of [...callbacks]) callback()
  }
  signal.addEventListener("abort", listener, { once: true })
  const its = { callbacks, listener }
  waiting.set(signal, its)
  return its
}
