import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"

type State = "open" | "cut" | "hung" | "deaf"

/** One worker's way to the server, which can be cut, lose what comes back, or hang as where every packet is dropped. */
export class Wire {
  readonly #target: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #state: State = "open"
  #opened: (() => void)[] = []

  constructor(target: number) {
    this.#target = target
    this.#server = createServer({ allowHalfOpen: false }, (socket) => this.#accept(socket))
  }

  async listen(): Promise<number> {
    this.#server.listen(0, "127.0.0.1")
    await once(this.#server, "listening")
    return (this.#server.address() as AddressInfo).port
  }

  /** Ends every connection, and refuses new ones. */
  cut(): void {
    this.#state = "cut"
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Takes all that comes, and passes nothing on until `restore`. */
  hang(): void {
    this.#state = "hung"
    for (const socket of this.#sockets) socket.pause()
  }

  /** Passes on every batch, and loses every answer. */
  deafen(): void {
    this.#state = "deaf"
  }

  /** Lets the batches that hung pass: they come late, and their sender may have given them up. */
  restore(): void {
    // After a gap nothing that came through would make sense.
    if (this.#state === "deaf") this.cut()
    this.#state = "open"
    for (const socket of this.#sockets) socket.resume()
    for (const open of this.#opened.splice(0)) open()
  }

  #accept(client: Socket): void {
    this.#keep(client)
    if (this.#state === "cut") client.destroy()
    else if (this.#state === "hung") this.#opened.push(() => this.#join(client))
    else this.#join(client)
  }

  #join(client: Socket): void {
    if (client.destroyed) return
    const server = connect({ port: this.#target, host: "127.0.0.1", noDelay: true })
    client.setNoDelay(true)
    this.#keep(server)
    // Not `pipe`, which resumes by itself what was paused to hang.
    server.on("data", (data) => this.#state !== "deaf" && client.write(data))
    client.on("data", (data) => server.write(data))
    server.on("close", () => client.destroy())
    client.on("close", () => server.destroy())
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on("error", () => undefined)
    socket.on("close", () => this.#sockets.delete(socket))
  }

  close(): void {
    this.#server.close()
    this.cut()
  }
}
