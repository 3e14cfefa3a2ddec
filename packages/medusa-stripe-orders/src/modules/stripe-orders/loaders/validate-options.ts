import type { LoaderOptions } from "@medusajs/framework/types"
import { parseOptions } from "../../../options"

/** Refuses to start on a wrong option, instead of failing at the first payment. */
export default async function validateOptions({ options }: LoaderOptions): Promise<void> {
  parseOptions(options)
}
