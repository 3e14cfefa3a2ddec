import { createHmac } from "node:crypto"
import { isIPv6 } from "node:net"

/**
 * A buyer's address as it is stored: hashed with a secret, so that the table does not tell where a buyer is, and addresses
 * can't be tried out against it. All of an IPv6 network of 64 bits, which one household has, is one address.
 */
export function hashAddress(address: string | undefined, secret: string): string | null {
  if (!address) {
    return null
  }
  const key = createHmac("sha256", secret).update("the key of buyers' addresses").digest()
  return createHmac("sha256", key).update(networkOf(address)).digest("base64url")
}

function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped || !isIPv6(address)) {
    return mapped ?? address
  }
  const [head = "", tail] = (address.split("%")[0] as string).toLowerCase().split("::")
  const before = head.split(":").filter(Boolean)
  const after = (tail ?? "").split(":").filter(Boolean)
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length
  const groups = [...before, ...Array<string>(Math.max(0, zeros)).fill("0"), ...after]
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")
}

/**
 * The address of the buyer, where `proxies` of the store's own stand before Medusa: each adds the one that it saw at the
 * right of `X-Forwarded-For`, and what is further left was written by the buyer.
 */
export function addressOf(
  request: { socket: { remoteAddress?: string }; headers: Record<string, unknown> },
  proxies: number,
): string | undefined {
  const forwarded = String(request.headers["x-forwarded-for"] ?? "")
    .split(",")
    .map((one) => one.trim())
    .filter(Boolean)
  const seen = [...forwarded, request.socket.remoteAddress]
  return seen.at(-1 - Math.min(proxies, forwarded.length))
}
