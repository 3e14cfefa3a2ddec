import type { ILockingModule } from "@medusajs/framework/types"
import { Modules } from "@medusajs/framework/utils"
import type { Batch } from "./batch"
import type { Entry } from "./place-orders"

/** A group that still waits for its items after this long is left to wait by itself. */
export const CONTENDED_AFTER_MS = 250

function lockingOf({ container }: Batch): ILockingModule {
  return container.resolve(Modules.LOCKING)
}

/** Locks belong to the claim, so that a worker that takes the claim over finds them. */
function ownerOf(claim: string, id: string): string {
  return `${claim}/${id}`
}

/**
 * Locks each payment's cart, and the payment itself where the store chose so, as the seed does. Payments whose locks are
 * busy are set aside, each by itself.
 *
 * A worker that died holds its locks for some seconds more. They end with its claim: else a payment that is taken over
 * would be busy, and later ones would be served before it.
 *
 * Carts first, then items, as complete-cart does: it holds its cart while it queues for the item. A request for
 * both at once would stand before it in the item's queue and wait for its cart, and neither would move.
 */
export async function lockCarts(batch: Batch): Promise<void> {
  const { lockKey, lock } = batch.plugin.options
  const tries = batch.candidates.map(async ({ id, source }) => {
    const cart = source && "cart_id" in source && source.cart_id ? [source.cart_id] : []
    const keys = lockKey === "cart" ? cart : [id, ...cart]
    if (keys.length === 0) {
      return
    }
    // Holdfast's providers renew the lock while `keep` says so; others keep it for the ttl.
    const { claim, lapsed_claim } = batch.payment(id)
    const args = { ownerId: ownerOf(claim, id), expire: lock.ttl, keep: () => batch.isOpen }
    try {
      if (lapsed_claim) {
        await lockingOf(batch).release(keys, { ownerId: ownerOf(lapsed_claim, id) })
      }
      await lockingOf(batch).acquire(keys, args)
      batch.locked.set(id, keys)
    } catch (error) {
      batch.busyOrFailed(id, error as Error)
    }
  })
  await Promise.all(tries)
}

export async function unlockCarts(batch: Batch, ids: Iterable<string>): Promise<void> {
  const releases = [...ids].map(async (id) => {
    const keys = batch.locked.get(id)
    const { claim } = batch.payment(id)
    batch.locked.delete(id)
    // A lock that can't be released ends by itself.
    await (keys &&
      lockingOf(batch)
        .release(keys, { ownerId: ownerOf(claim, id) })
        .catch(() => {}))
  })
  await Promise.all(releases)
}

/** Items for which a group of this process has waited for a while. Later payments for them come again, behind it. */
const contended = new Set<string>()

/**
 * Runs `work` under the locks of the entries' items, one request for all of them. Where they can't be had in the time
 * that the store allows, the entries are set aside.
 */
export async function underItemLocks(
  batch: Batch,
  entries: Entry[],
  work: () => Promise<void>,
): Promise<void> {
  const items = itemsOf(entries)
  if (items.some((item) => contended.has(item))) {
    for (const { payment } of entries) {
      batch.waitBehind(payment.id)
    }
    return
  }
  const contention = setTimeout(() => items.map((item) => contended.add(item)), CONTENDED_AFTER_MS)
  const endContention = () => {
    clearTimeout(contention)
    items.map((item) => contended.delete(item))
  }
  const start = async () => {
    endContention()
    await work()
  }
  try {
    const { timeout } = batch.plugin.options.lock
    await (items.length > 0 ? lockingOf(batch).execute(items, start, { timeout }) : start())
  } catch (error) {
    endContention()
    for (const { payment } of entries) {
      batch.busyOrFailed(payment.id, error as Error)
    }
  }
}

/** Drafts that share an inventory item, directly or through others, are in one group, in the order of the drafts. */
export function groupsByItem(entries: Entry[]): Entry[][] {
  const groups = new Set<{ items: Set<string>; entries: Set<Entry> }>()
  for (const entry of entries) {
    const merged = { items: new Set(itemsOf([entry])), entries: new Set([entry]) }
    for (const group of groups) {
      const touches = [...merged.items].some((item) => group.items.has(item))
      if (touches || (merged.items.size === 0 && group.items.size === 0)) {
        groups.delete(group)
        merged.entries = new Set([...group.entries, ...merged.entries])
        merged.items = new Set([...group.items, ...merged.items])
      }
    }
    groups.add(merged)
  }
  return [...groups].map((group) => entries.filter((entry) => group.entries.has(entry)))
}

function itemsOf(entries: Entry[]): string[] {
  const items = entries.flatMap(({ demands }) =>
    demands.flatMap(({ parts }) => parts.map(({ inventory_item_id }) => inventory_item_id)),
  )
  return [...new Set(items)].sort()
}
