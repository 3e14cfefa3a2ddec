import { badParam } from "./errors.js"
import type { Store } from "./store.js"

type Node = Record<string, unknown>

/**
 * Properties that Stripe leaves out unless they are asked for, such as the line items of a checkout session. `owner` is
 * the API object that `node` is, or is a part of.
 */
export type Includable = (node: Node, property: string, owner: Node) => unknown

/** A copy of `body` in which the ids at `paths` are replaced by their objects. Nothing stored is touched. */
export function expand(body: unknown, paths: string[], store: Store, include: Includable): unknown {
  return paths.reduce((node, path) => expandPath(node, path.split("."), path, node as Node), body)

  function expandPath(node: unknown, [property, ...rest]: string[], path: string, parent: Node): unknown {
    if (property === undefined || node === null) return node
    if (Array.isArray(node)) return node.map((item) => expandPath(item, [property, ...rest], path, parent))
    if (typeof node !== "object") throw notExpandable(path)
    const owner = "object" in node ? (node as Node) : parent
    const value = property in node ? (node as Node)[property] : include(node as Node, property, owner)
    if (value === undefined) throw notExpandable(path)
    const whole = typeof value === "string" ? store.find(value) : value
    if (whole === undefined) throw notExpandable(path)
    return { ...node, [property]: expandPath(whole, rest, path, owner) }
  }
}

function notExpandable(path: string) {
  return badParam(`This property cannot be expanded (${path}).`, "expand")
}
