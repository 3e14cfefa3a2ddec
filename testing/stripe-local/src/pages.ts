import type Stripe from "stripe"
import { badParam } from "./errors.js"
import { integer, type Params, type Reader, readParams, text } from "./params.js"
import type { Collection } from "./store.js"

const limit: Reader<number> = (value, name) => {
  const result = integer(value, name) ?? 10
  if (result < 1 || result > 100) {
    throw badParam("This value must be between 1 and 100.", name, "parameter_invalid_integer")
  }
  return result
}

/** The parameters of every list. */
export const paging = { limit, starting_after: text, ending_before: text }

const rangeShape = { gt: integer, gte: integer, lt: integer, lte: integer }

/** A time in seconds, or a range of them, as a test on `created`. */
export const created: Reader<(seconds: number) => boolean> = (value, name) => {
  if (value === undefined) return () => true
  if (typeof value === "string") {
    const exact = integer(value, name)
    return (seconds) => seconds === exact
  }
  const { gt = -1, gte = 0, lt = Infinity, lte = Infinity } = readParams(rangeShape, value, name)
  return (seconds) => seconds > gt && seconds >= gte && seconds < lt && seconds <= lte
}

/**
 * One page, newest first. `starting_after` goes on to older objects; `ending_before` to newer ones, and gives
 * those nearest to it.
 */
export function page<T extends { id: string }>(
  collection: Collection<T>,
  url: string,
  query: Params<typeof paging>,
  keep: (row: T) => boolean = () => true,
): Stripe.ApiList<T> {
  const newer = Boolean(query.ending_before)
  const step = newer ? 1 : -1
  const found: T[] = []
  for (let at = firstIndex(collection, query); at >= 0 && at < collection.length; at += step) {
    const row = collection.at(at)
    if (row && keep(row) && found.push(row) > query.limit) break
  }
  const data = found.slice(0, query.limit)
  return { object: "list", data: newer ? data.reverse() : data, has_more: found.length > query.limit, url }
}

function firstIndex<T extends { id: string }>(
  collection: Collection<T>,
  query: Params<typeof paging>,
): number {
  const name = query.ending_before ? "ending_before" : "starting_after"
  const cursor = query[name]
  if (!cursor) return collection.length - 1
  const index = collection.indexOf(collection.need(cursor, name, 400).id) ?? 0
  return name === "ending_before" ? index + 1 : index - 1
}
