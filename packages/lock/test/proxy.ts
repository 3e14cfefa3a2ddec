import { createConnection, createServer, type Socket } from "node:net"

/** Stands between a client and a server, and loses what it is told to. */
export class LossyProxy implements AsyncDisposable {
  port = 0
  /** Decides, of what the server sends, what is lost; `connection` counts them, from 1. */
  loses: (chunk: Buffer, connection: number) => boolean = () => false
  /** How many there have been. */
  connections = 0
  /** Up to which of them nothing passes any more, in either direction. */
  #forgotten = 0
  readonly #sockets = new Set<Socket>()
  readonly #server = createServer({ allowHalfOpen: true }, (client) => this.#join(client))
  readonly #target: number

  private constructor(target: number) {
    this.#target = target
  }

  static async open(target: number): Promise<LossyProxy> {
    const proxy = new LossyProxy(target)
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve))
    proxy.port = (proxy.#server.address() as { port: number }).port
    return proxy
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  #join(client: Socket): void {
    const server = createConnection({ port: this.#target, host: "127.0.0.1", allowHalfOpen: true })
    const number = ++this.connections
    const passes = () => number > this.#forgotten
    server.on("data", (chunk) => passes() && !this.loses(chunk, number) && client.write(chunk))
    client.on("data", (chunk) => passes() && server.write(chunk))
    server.on("end", () => passes() && client.end())
    client.on("end", () => passes() && server.end())
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one)
      one.on("error", () => undefined)
      one.on("close", () => {
        this.#sockets.delete(one)
        if (passes()) other.destroy()
      })
    }
  }

  /** Forgets the connections that there are, as a NAT or a load balancer does: neither side hears a word, not even of their end. */
  forget(): void {
    this.#forgotten = this.connections
  }

  /** As if the server hung: connections are taken, and nothing passes on any of them. */
  hang(): void {
    this.#forgotten = Number.POSITIVE_INFINITY
  }

  /** Ends all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
