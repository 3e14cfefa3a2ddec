import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import Stripe from "stripe"

export interface Received {
  body: string
  signature: string
  event: Stripe.Event
}

type Answer = number | ((response: ServerResponse, received: Received) => void)

/** The receiving end of webhooks: a real server that keeps what came and answers as it is told. */
export class Shop {
  readonly received: Received[] = []
  /** What the next deliveries are answered with; 200 when it has run out. */
  readonly answers: Answer[] = []
  readonly #server = createServer((request, response) => this.#receive(request, response))
  readonly #waiting: { count: number; resolve: () => void }[] = []

  static async open(): Promise<Shop> {
    const shop = new Shop()
    shop.#server.listen(0, "127.0.0.1")
    await once(shop.#server, "listening")
    return shop
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hooks/stripe`
  }

  get types(): string[] {
    return this.received.map(({ event }) => event.type)
  }

  /** Resolves once this many deliveries have arrived. */
  async arrived(count: number): Promise<void> {
    if (this.received.length >= count) return
    await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }))
  }

  /** The events as the official package verifies them; throws on a bad signature. */
  verified(secret: string): Stripe.Event[] {
    return this.received.map(({ body, signature }) => verify(body, signature, secret))
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, "close")
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    const received = { body, signature: String(request.headers["stripe-signature"]), event: JSON.parse(body) }
    this.received.push(received)
    const answer = this.answers.shift() ?? 200
    if (typeof answer === "number") response.writeHead(answer).end()
    else answer(response, received)
    for (const { count, resolve } of this.#waiting) if (this.received.length >= count) resolve()
  }
}

const anyStripe = new Stripe("sk_test_unused")

export function verify(body: string, signature: string, secret: string): Stripe.Event {
  return anyStripe.webhooks.constructEvent(body, signature, secret)
}
