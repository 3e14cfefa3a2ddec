/** A client library of Redis, as far as the store uses it. */
export interface RedisDriver {
  /** What the client puts before each key. Channels have none. */
  readonly keyPrefix: string
  /** Whether commands are sent at once, as far as the client tells. */
  readonly isReady: boolean
  /**
   * Makes the client, which the store has made, fit for that: an error of its connection is not uncaught, the connection
   * keeps no process alive where the library can do that, and `ready` opens it.
   */
  adopt(): void
  /** Resolves when commands can be sent. Waits until `signal` aborts, at the longest. */
  ready(signal: AbortSignal): Promise<void>
  /** EVALSHA. The first of `rest` is the number of keys, then come the keys and the arguments. */
  evalsha(sha: string, rest: readonly (string | number)[]): Promise<unknown>
  /** EVAL, likewise. */
  eval(script: string, rest: readonly (string | number)[]): Promise<unknown>
  /**
   * Calls `listener` when the connection is lost, where the library would send again what had been sent. Returns what
   * undoes that. Other libraries reject what is lost with an `UnansweredError`.
   */
  onLost(listener: () => void): () => void
  /** Ends the client for good, where the store has made it. */
  disconnect(): void
  /**
   * Ends the connection without waiting for the server, and resolves when the client has noticed; `ready` waits for
   * another one. For a client that the store has made. Undefined where it has several connections.
   */
  readonly reconnect: (() => Promise<void>) | undefined
  /**
   * Replaces the connections of a user's client that the network has forgotten. False where there are none, where the
   * server doesn't answer on a new connection either within `ms`, or where the library has no way to do it.
   */
  replaceDead(ms: number): Promise<boolean>
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
  /** Ends it at once: a server that hangs, or that the network has cut off, is not waited for. */
  disconnect(): void
}
