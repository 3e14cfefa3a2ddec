/** Postgres stores no NUL and no half of a surrogate pair in text; a signed event may hold both. */
export function storableText(text: string): string {
  return text.replaceAll("\u0000", "\uFFFD").replace(LONE_SURROGATES, "\uFFFD")
}

const LONE_SURROGATES = /\p{Surrogate}/gu

/** As JSON.parse, with every text in it, keys included, made storable. */
export function parseStorable<T>(json: string): T {
  return JSON.parse(json, MAY_BE_UNSTORABLE.test(json) ? storable : undefined) as T
}

const MAY_BE_UNSTORABLE = /\\u(0000|d[89a-f])/i

function storable(_: string, value: unknown): unknown {
  if (typeof value === "string") {
    return storableText(value)
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [storableText(key), field]))
  }
  return value
}
