import { createConnection, createServer, type Socket } from "node:net"

/** Stands between a client and a server, and loses what it is told to. */
export class LossyProxy implements AsyncDisposable {
  port = 0
  /** Decides, of what the server sends, what is lost; `connection` counts them, from 1. */
  loses: (chunk: Buffer, connection: number) => boolean = () => false
  /** How many there have been. */
  connections = 0
  readonly #sockets = new Set<Socket>()
  readonly #server = createServer((client) => this.#join(client))
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
    const server = createConnection({ port: this.#target, host: "127.0.0.1" })
    const number = ++this.connections
    server.on("data", (chunk) => this.loses(chunk, number) || client.write(chunk))
    client.on("data", (chunk) => server.write(chunk))
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one)
      one.on("error", () => undefined)
      one.on("close", () => {
        this.#sockets.delete(one)
        other.destroy()
      })
    }
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
