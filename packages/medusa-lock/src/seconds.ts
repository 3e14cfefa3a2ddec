import { MedusaError } from "@medusajs/framework/utils"

/** Medusa counts seconds, fractions too; the lock counts milliseconds. Throws where `value` is not a time. */
export function milliseconds(name: string, value: number): number {
  if (typeof value === "number" && value >= 0) return value * 1000
  throw new MedusaError(
    MedusaError.Types.INVALID_ARGUMENT,
    `"${name}" must be a number of seconds from 0, not ${String(value)}`,
  )
}
