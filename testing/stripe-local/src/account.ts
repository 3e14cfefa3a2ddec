import type Stripe from "stripe"
import type { Accounts } from "./accounts.js"
import { refused } from "./errors.js"
import { newId } from "./ids.js"
import type { Store } from "./store.js"

type RequestRef = Stripe.Event.Request

const NO_REQUEST: RequestRef = { id: null, idempotency_key: null }

type EventOf<T extends Stripe.Event.Type> = Extract<Stripe.Event, { type: T }>

/** A connected account's id, and the platform that it is connected to. */
export interface Connection {
  id: string
  platform: Account
}

/** A Stripe account: its stored objects, and the events about their changes. */
export class Account {
  #request = NO_REQUEST
  /** No open checkout session expires before this time, in seconds; 0 where it is not known yet. */
  nextExpiry = 0
  /** The accounts connected to this one, if it is a platform. */
  connected: Accounts | undefined

  /** `publish` is given each event once, when it has just been stored. */
  constructor(
    readonly store: Store,
    readonly apiVersion: string,
    readonly publish: (event: Stripe.Event) => void,
    readonly connection?: Connection,
  ) {}

  /** Throws for an account that is connected itself. */
  needConnected(): Accounts {
    if (!this.connected) throw refused("Only a platform can have connected accounts.")
    return this.connected
  }

  /** Now, in seconds, as Stripe's objects have it. */
  now(): number {
    return Math.floor(Date.now() / 1000)
  }

  /** Runs an API call's work, which is synchronous, so that the events it makes name the call. */
  during<T>(request: RequestRef, work: () => T): T {
    this.#request = request
    try {
      return work()
    } finally {
      this.#request = NO_REQUEST
    }
  }

  /**
   * Stores and publishes an event; its object is a snapshot of this moment. `previous` are the former values of what
   * has changed.
   */
  emit<T extends Stripe.Event.Type>(
    type: T,
    object: EventOf<T>["data"]["object"],
    previous?: Partial<EventOf<T>["data"]["object"]>,
  ): Stripe.Event {
    const event = {
      id: newId("evt"),
      object: "event",
      ...(this.connection && { account: this.connection.id }),
      api_version: this.apiVersion,
      created: this.now(),
      data: { object: structuredClone(object), ...(previous && { previous_attributes: previous }) },
      livemode: false,
      pending_webhooks: 0,
      request: this.#request,
      type,
    } as Stripe.Event
    this.store.events.add(event)
    this.publish(event)
    return event
  }
}
