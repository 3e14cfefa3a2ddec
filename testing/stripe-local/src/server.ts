import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { createAdaptorServer } from "@hono/node-server"
import type { Account } from "./account.js"
import { Api } from "./api.js"
import type { Gate } from "./gate.js"
import { includables, serveAll } from "./resources/index.js"

const PLATFORM = ""

/** The HTTP server: each account has an interface of its own, chosen by the `Stripe-Account` header. */
export class Server {
  readonly #apis = new Map<string, Api>()
  readonly #server: ReturnType<typeof createAdaptorServer>

  constructor(
    readonly gate: Gate,
    readonly changed: () => void,
  ) {
    this.#server = createAdaptorServer({
      fetch: (request, env) => this.#apiOf(request).app.fetch(request, env),
      // The shop under test may live in this process: its Request and Response stay what they are.
      overrideGlobalObjects: false,
    })
  }

  serve(account: Account): void {
    const api = new Api(account, this.gate, includables(account), this.changed)
    serveAll(api, account)
    this.#apis.set(account.connection?.id ?? PLATFORM, api)
  }

  /** A call for an account that doesn't exist is the platform's to refuse. */
  #apiOf(request: Request): Api {
    const named = this.#apis.get(request.headers.get("Stripe-Account") ?? PLATFORM)
    return named ?? (this.#apis.get(PLATFORM) as Api)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async listen(port: number, host: string): Promise<void> {
    this.#server.listen(port, host)
    await once(this.#server, "listening")
  }

  /** Cuts open connections. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close")
    this.#server.close()
    if ("closeAllConnections" in this.#server) this.#server.closeAllConnections()
    await closed
  }
}
