/** A client library of Redis, as far as the store uses it. */
export interface RedisDriver {
  /** What the client puts before each key. Channels have none. */
  readonly keyPrefix: string
  /** Resolves when commands can be sent. Waits until `signal` aborts, at the longest. */
  ready(signal: AbortSignal): Promise<void>
  /** EVALSHA. The first of `rest` is the number of keys, then come the keys and the arguments. */
  evalsha(sha: string, rest: readonly (string | number)[]): Promise<unknown>
  /** EVAL, likewise. */
  eval(script: string, rest: readonly (string | number)[]): Promise<unknown>
  /**
   * Calls `listener` when the connection is lost, where the library would send again what had been sent. Returns what
   * undoes that.
   */
  onLost(listener: () => void): () => void
  /** Ends the connection, or replaces it. For a client that the store has opened. */
  disconnect(reconnect?: boolean): void
  /** Another connection to the same Redis, not connected yet: to listen, and never to reconnect by itself. */
  duplicate(): Promise<Listening>
}

/** A connection that listens to a channel. It emits `message` (channel, message), `error`, and `end` once it has ended. */
export interface Listening {
  on(event: "error" | "message" | "end", listener: (...args: string[]) => void): unknown
  once(event: "end", listener: () => void): unknown
  connect(): Promise<unknown>
  subscribe(channel: string): Promise<unknown>
  ping(): Promise<unknown>
  disconnect(): void
}
