import type { Contender, Scenario } from "./contenders.ts"

/** A bar for each contender in each scenario, as SVG. None of the dependencies draws charts, and this one is rectangles. */
export function barChart(
  title: string,
  contenders: readonly Contender[],
  scenarios: readonly Scenario[],
  measure: (contender: Contender, scenario: Scenario) => number,
): string {
  const most = Math.max(1, ...contenders.flatMap((one) => scenarios.map((it) => measure(one, it))))
  const [left, bar, gap, width] = [150, 16, 26, 420]
  const group = contenders.length * bar + gap
  const height = 40 + scenarios.length * group
  const bars = scenarios.flatMap((scenario, row) => {
    const top = 40 + row * group
    const head = text(8, top + 4, scenario.name, 'font-weight="bold"')
    return [
      head,
      ...contenders.flatMap((contender, index) => {
        const value = measure(contender, scenario)
        const y = top + 10 + index * bar
        const length = (value / most) * width
        const color = contender.isOurs ? "#2a7" : "#c44"
        return [
          text(left - 6, y + 11, contender.name, 'text-anchor="end"'),
          `<rect x="${left}" y="${y + 1}" width="${Math.max(1, length).toFixed(1)}" height="${bar - 3}" fill="${color}"/>`,
          text(left + length + 6, y + 11, String(value)),
        ]
      }),
    ]
  })
  const size = `width="${left + width + 50}" height="${height}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="11">
<title>${title}</title>
<rect width="100%" height="100%" fill="white"/>
${text(8, 20, title, 'font-size="14" font-weight="bold"')}
${bars.join("\n")}
</svg>
`
}

function text(x: number, y: number, words: string, more = ""): string {
  return `<text x="${x}" y="${y}" ${more}>${words}</text>`
}
