import { createHash, timingSafeEqual } from "node:crypto"

/**
 * A payment's client secret is known to its buyer's browser, and proves whose payment it is. The plugin keeps its hash
 * alone: 24 random characters can't be guessed from it.
 */
export function hashOfSecret(client_secret: unknown): string | null {
  return typeof client_secret === "string" ? sha256(client_secret).toString("hex") : null
}

/** Whether `hash` is the secret's; the time that it takes says nothing of where they differ. */
export function isSecretOf(hash: string | null | undefined, client_secret: string): boolean {
  const known = Buffer.from(hash ?? "", "hex")
  const given = sha256(client_secret)
  return known.length === given.length && timingSafeEqual(known, given)
}

/** What Stripe answered, as it may be stored. */
export function withoutSecret<T extends object>(answer: T): T {
  const { client_secret, ...plain } = answer as T & { client_secret?: unknown }
  return plain as T
}

/** The text of an event, or of a payment intent, as it may be stored. */
export function withoutSecrets(json: string): string {
  return json.replace(SECRETS, '"client_secret":null')
}

const SECRETS = /"client_secret"\s*:\s*"[^"\\]*"/g

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest()
}
