import { randomBytes } from "node:crypto"

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/** Random letters and digits, as in Stripe's ids: unique across runs, so that a reused database never meets an id twice. */
export function random(length: number): string {
  return Array.from(randomBytes(length), (byte) => ALPHABET[byte % ALPHABET.length]).join("")
}

/** A new id such as `pi_…`. */
export function newId(prefix: string): string {
  return `${prefix}_${random(24)}`
}
