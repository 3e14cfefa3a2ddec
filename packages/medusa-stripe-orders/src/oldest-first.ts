/** A page of one of Stripe's lists: the newest first. */
export interface Page<T> {
  data: T[]
  has_more: boolean
}

/** Seconds of Stripe's clock, both included. */
export interface Span {
  gte: number
  lte: number
}

/** So many are held in memory at once; a busier span is read in parts. */
export const MOST_AT_ONCE = 1_000

/**
 * All that one of Stripe's lists has of a span, the oldest first, in parts. Stripe lists the newest first and pages back
 * from there: each part is paged to its end and then turned round. A part that has too much is made half as long.
 */
export async function* oldestFirst<T extends { id: string }>(
  list: (span: Span, startingAfter?: string) => Promise<Page<T>>,
  { gte, lte }: Span,
): AsyncGenerator<T[]> {
  let seconds = lte - gte
  for (let start = gte; start <= lte; ) {
    const end = Math.min(lte, start + seconds)
    const most = end > start ? MOST_AT_ONCE : Number.POSITIVE_INFINITY
    const part = await readPart(list, { gte: start, lte: end }, most)
    if (!part) {
      seconds = Math.floor((end - start) / 2)
      continue
    }
    if (part.length > 0) {
      yield part.reverse()
    }
    start = end + 1
    seconds = part.length < MOST_AT_ONCE / 2 ? seconds * 2 + 1 : seconds
  }
}

/** Null where there is more than `most`. */
async function readPart<T extends { id: string }>(
  list: (span: Span, startingAfter?: string) => Promise<Page<T>>,
  span: Span,
  most: number,
): Promise<T[] | null> {
  const part: T[] = []
  for (;;) {
    const { data, has_more } = await list(span, part.at(-1)?.id)
    part.push(...data)
    if (!has_more || data.length === 0) {
      return part
    }
    if (part.length >= most) {
      return null
    }
  }
}
