import type { z } from "@medusajs/framework/zod"
import { NeedsReview } from "./order-draft/order-draft"

/**
 * What a hook of the store's answered about one payment; undefined where it answered nothing. A hook is the store's code: its
 * answer is checked.
 *
 * @throws NeedsReview where the answer can't be used
 */
export function answerOf<T>(hook: string, answer: unknown, shape: z.ZodType<T>): T | undefined {
  if (answer === undefined || answer === null) {
    return undefined
  }
  const parsed = shape.safeParse(answer)
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "it"}: ${message}`)
    throw new NeedsReview(`the store's ${hook} hook gave an answer that can't be used: ${faults.join("; ")}`)
  }
  return parsed.data
}
