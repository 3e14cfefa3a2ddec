import { expect, it } from "vitest"
import { barChart } from "../oversell/chart.ts"
import { CONTENDERS, SCENARIOS } from "../oversell/contenders.ts"

it("draws a bar for each contender in each scenario, in proportion to the greatest", () => {
  const svg = barChart("Oversold", CONTENDERS, SCENARIOS, ({ isOurs }, { stock }) => (isOurs ? 0 : stock))
  const widths = [...svg.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g)].map(([, width]) =>
    Number(width),
  )
  expect(widths).toHaveLength(CONTENDERS.length * SCENARIOS.length)
  expect(Math.max(...widths)).toBe(420)
  expect(Math.min(...widths)).toBe(1)
})
