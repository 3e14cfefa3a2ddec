import { createHmac } from "node:crypto"

/**
 * The `Stripe-Signature` header: one `v1` for each secret that is active (two while a secret is being rolled).
 * `timestamp` is in seconds.
 */
export function signatureHeader(body: string, secrets: string[], timestamp: number): string {
  const signatures = secrets.map((secret) => {
    const hmac = createHmac("sha256", secret).update(`${timestamp}.${body}`, "utf8")
    return `v1=${hmac.digest("hex")}`
  })
  return [`t=${timestamp}`, ...signatures].join(",")
}
