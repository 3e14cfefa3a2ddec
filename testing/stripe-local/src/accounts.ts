import type Stripe from "stripe"
import { Account } from "./account.js"
import { connectedAccount, type NewConnectedAccount } from "./resources/connected-accounts.js"
import { Store } from "./store.js"

type Saved = Parameters<Store["load"]>[0]

/** The platform, which is the shop's own account, and the accounts that are connected to it. */
export class Accounts {
  readonly #connected = new Map<string, Account>()

  /** `opened` is told of each connected account, also of one that was saved. */
  constructor(
    readonly platform: Account,
    readonly opened: (account: Account) => void,
  ) {
    platform.connected = this
  }

  get(id: string): Account | undefined {
    return this.#connected.get(id)
  }

  create(given: NewConnectedAccount): Account {
    const { id } = this.platform.store.accounts.add(connectedAccount(this.platform.now(), given))
    return this.#open(id)
  }

  /** An event of whichever account. */
  event(id: string): Stripe.Event | undefined {
    for (const { store } of this.all()) {
      const event = store.events.get(id)
      if (event) return event
    }
    return undefined
  }

  all(): Account[] {
    return [this.platform, ...this.#connected.values()]
  }

  /** What the state file keeps: the stores of the connected accounts by id. */
  toJSON(): Record<string, Store> {
    return Object.fromEntries([...this.#connected].map(([id, { store }]) => [id, store]))
  }

  load(saved: Record<string, Saved> = {}): void {
    for (const [id, store] of Object.entries(saved)) this.#open(id).store.load(store)
  }

  #open(id: string): Account {
    const { apiVersion, publish } = this.platform
    const account = new Account(new Store(), apiVersion, publish, { id, platform: this.platform })
    this.#connected.set(id, account)
    this.opened(account)
    return account
  }
}
