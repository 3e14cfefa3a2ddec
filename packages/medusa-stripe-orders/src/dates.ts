/**
 * The date that was typed, where it begins with a day that exists. `new Date` takes 2026-02-31 for 3 March, and a person would
 * get another span than the one asked for.
 */
export function dateFrom(given: string): Date | null {
  const date = new Date(given)
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})/.exec(given) ?? []
  const days = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
  const exists = Number(month) >= 1 && Number(month) <= 12 && Number(day) >= 1 && Number(day) <= days
  return exists && !Number.isNaN(date.getTime()) ? date : null
}
