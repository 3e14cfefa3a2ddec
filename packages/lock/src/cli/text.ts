const graphemes = new Intl.Segmenter()

const WIDE =
  /\p{Emoji_Presentation}|\ufe0f|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]/u

/** A key may hold anything: what would move the cursor or turn the line round is written as its escape. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (it) =>
    it === "\u200d" ? it : `\\u{${it.codePointAt(0)?.toString(16)}}`,
  )
}

const split = (text: string) => Array.from(graphemes.segment(text), ({ segment }) => segment)

/** How many columns of a terminal a text takes. */
export function widthOf(text: string): number {
  return split(text).reduce((sum, it) => sum + (WIDE.test(it) ? 2 : 1), 0)
}

/** Takes out the middle, since keys differ at their ends. */
export function shorten(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  if (width <= 0) return ""
  const all = split(text)
  const tail = take([...all].reverse(), Math.floor((width - 1) / 2))
  const head = take(all, width - 1 - widthOf(tail.join("")))
  return `${head.join("")}…${tail.reverse().join("")}`
}

function take(from: string[], width: number): string[] {
  let left = width
  const end = from.findIndex((it) => {
    left -= widthOf(it)
    return left < 0
  })
  return end < 0 ? from : from.slice(0, end)
}

const pad = (text: string, width: number) => " ".repeat(Math.max(width - widthOf(text), 0))
export const left = (text: string, width: number): string => text + pad(text, width)
export const right = (text: string, width: number): string => pad(text, width) + text

const UNITS = [
  ["d", 86_400, "h", 3_600],
  ["h", 3_600, "m", 60],
  ["m", 60, "s", 1],
] as const

/** At most six characters. */
export function duration(ms: number): string {
  if (ms === Number.POSITIVE_INFINITY) return "never"
  const seconds = Math.max(ms, 0) / 1_000
  if (seconds < 59.95) return `${seconds.toFixed(1)}s`
  const rounded = Math.round(seconds)
  const [big, inBig, small, inSmall] = UNITS.find(([, size]) => rounded >= size) ?? UNITS[2]
  const rest = Math.floor((rounded % inBig) / inSmall)
  return `${Math.floor(rounded / inBig)}${big}${String(rest).padStart(2, "0")}${small}`
}
