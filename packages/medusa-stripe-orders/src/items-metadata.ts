/**
 * The items of an order in a payment's metadata. Stripe takes 500 characters a value and 50 keys
 * (https://docs.stripe.com/metadata#data), so a list that is longer is cut over `items_1`, `items_2`, ….
 */

/** A line as a checkout outside Medusa names it. */
export interface Item {
  variant_id: string
  quantity: number
}

const LONGEST_VALUE = 500
const MOST_KEYS = 20
const PREFIX = "variant_"

/** The rest of an id that Medusa made. https://github.com/ulid/spec */
const ULID = /^[0-9A-HJKMNP-TV-Z]{26}$/

/** The most lines of an order. */
export const MOST_ITEMS = 100

/**
 * Writes the metadata that names these items, for a payment intent, a Checkout Session or a Payment Link: one key for about
 * 16 lines, `items`, else `items_1`, `items_2`, …. It depends on nothing, so a server without Medusa can use it.
 *
 * @example
 * stripe.paymentIntents.create({ …, metadata: { ...itemsMetadata([{ variant_id: "variant_01…", quantity: 2 }]) } })
 *
 * @throws TypeError where an item is none: no id, or a quantity that is not a whole number above 0
 * @throws RangeError where there is no item, there are more than 100, or they don't fit in 20 keys
 */
export function itemsMetadata(items: readonly Item[]): Record<string, string> {
  if (items.length === 0 || items.length > MOST_ITEMS) {
    throw new RangeError(`An order has 1 to ${MOST_ITEMS} lines; these are ${items.length}`)
  }
  const text = items.map(written).join(",")
  const count = Math.ceil(text.length / LONGEST_VALUE)
  if (count > MOST_KEYS) {
    throw new RangeError(`The items need ${count} keys of metadata, and may take ${MOST_KEYS}`)
  }
  if (count === 1) {
    return { items: text }
  }
  const keys = Array.from({ length: count }, (_, index) => index)
  return Object.fromEntries(
    keys.map((index) => [
      `items_${index + 1}`,
      text.slice(index * LONGEST_VALUE, (index + 1) * LONGEST_VALUE),
    ]),
  )
}

/** Medusa's own ids are written without their prefix; another has an `=` before it. */
function written({ variant_id, quantity }: Item): string {
  if (typeof variant_id !== "string" || !/^[\w.-]{1,255}$/.test(variant_id)) {
    throw new TypeError(`variant_id must be a variant's id, not ${JSON.stringify(variant_id)}`)
  }
  if (!Number.isSafeInteger(quantity) || quantity < 1) {
    throw new TypeError(`The quantity of ${variant_id} must be a whole number above 0, not ${quantity}`)
  }
  const rest = variant_id.slice(PREFIX.length)
  const id = variant_id.startsWith(PREFIX) && ULID.test(rest) ? rest : `=${variant_id}`
  return quantity === 1 ? id : `${id}:${quantity}`
}

/**
 * What metadata says of items: a JSON list, as in `[{"variant_id":"variant_…","quantity":1}]`, or what `itemsMetadata` wrote,
 * in `items` or cut over `items_1`, `items_2`, …. Null where it says nothing. Not checked.
 *
 * @throws SyntaxError in words that say what is wrong
 */
export function readItems(metadata: Record<string, string>): unknown {
  const text = metadata.items || joined(metadata)
  if (!text) {
    return null
  }
  if (/^\s*[[{"]/.test(text)) {
    try {
      return JSON.parse(text)
    } catch {
      throw new SyntaxError('is not JSON; it must be a list like [{"variant_id":"variant_…","quantity":1}]')
    }
  }
  return text.split(",").map(read)
}

function joined(metadata: Record<string, string>): string {
  const parts: string[] = []
  for (let part = metadata.items_1; part; part = metadata[`items_${parts.length + 1}`]) {
    parts.push(part)
  }
  const known = Object.keys(metadata).filter((key) => /^items_\d+$/.test(key))
  if (known.length > parts.length) {
    throw new SyntaxError(`is cut, and a part is missing: there are ${known.sort().join(", ")}`)
  }
  return parts.join("")
}

function read(text: string): Item {
  const [, id, quantity] = /^\s*(=?[\w.-]+)(?::(\d{1,9}))?\s*$/.exec(text) ?? []
  const variant_id =
    id && (ULID.test(id) ? PREFIX + id : /^(?:=|variant_)(.+)/.test(id) && id.replace(/^=/, ""))
  if (!variant_id) {
    const found = JSON.stringify(text.slice(0, 60))
    throw new SyntaxError(
      `has ${found}, which is no item: it must be a JSON list like [{"variant_id":"variant_…","quantity":1}], or what itemsMetadata writes`,
    )
  }
  return { variant_id, quantity: Number(quantity ?? 1) }
}
