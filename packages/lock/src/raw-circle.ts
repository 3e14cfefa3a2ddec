import type { CircleMember } from "./store.js"

/** A member of a circle as the servers send it. */
export type RawMember = readonly [
  id: string,
  owner: string,
  keys: readonly string[],
  waitsFor: string,
  leaseId: string | null,
  leaseOwner: string | null,
]

export function toMember([id, owner, keys, waitsFor, leaseId, leaseOwner]: RawMember): CircleMember {
  const heldBy = leaseId === null || leaseOwner === null ? undefined : { id: leaseId, owner: leaseOwner }
  return { id, owner, keys, waitsFor, heldBy }
}
