import type { CircleMember } from "./store.js"

/** How many members of a circle a message names. */
const NAMED = 6

/** Who waits for what, and who holds it, as one sentence. Keys and owners go through `quote`. */
export function tell(circle: readonly CircleMember[], quote: (name: string) => string): string {
  const names = circle.map((member, i) => {
    const { id, owner } = named(member, circle.at(i - 1)?.heldBy)
    if (i === 0) return "this caller"
    return owner === id ? `request ${member.id}` : quote(owner)
  })
  const links = circle.slice(0, NAMED).map(({ waitsFor, heldBy }, i) => {
    const next = circle.length === 1 ? "it" : names[(i + 1) % names.length]
    const how = heldBy
      ? `which ${next} holds (lease ${heldBy.id})`
      : `where ${next} is before it in the queue`
    return `${names[i]} waits for ${quote(waitsFor)}, ${how}`
  })
  if (circle.length > NAMED) links.push(`and so on, through ${circle.length} requests, back to this caller`)
  return links.join("; ")
}

/** A nested request has often no owner of its own where the lease that its caller holds has one. */
function named(member: CircleMember, lease: CircleMember["heldBy"]): { id: string; owner: string } {
  return member.owner === member.id && lease ? lease : member
}
