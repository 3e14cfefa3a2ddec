const SIGNALS = ["SIGTERM", "SIGINT"] as const

/**
 * Medusa tells its modules of a shutdown after the last open request was answered: a request that waits for an outcome would
 * hold it up. So the signal itself is listened to, while requests wait.
 *
 * @returns what ends that
 */
export function whenAskedToStop(stop: () => void): () => void {
  const handlers = SIGNALS.map((signal) => {
    const handler = () => {
      stop()
      // Where nothing else takes the signal, it ends the process, as it would have without us.
      if (process.listenerCount(signal) === 0) {
        process.kill(process.pid, signal)
      }
    }
    process.once(signal, handler)
    return () => process.removeListener(signal, handler)
  })
  return () => {
    for (const remove of handlers) {
      remove()
    }
  }
}
