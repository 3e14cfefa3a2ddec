/**
 * The date that was typed, where it begins with a day that exists. `new Date` takes 2026-02-31 for 3 March, and a person would
 * get another span than the one asked for.
 */
export function dateFrom(given: string): Date | null {
  const date = new Date(given)
  const day = given.slice(0, 10)
  const start = new Date(`${day}T00:00:00Z`)
  const exists = isValid(start) && start.toISOString().startsWith(day)
  return exists && isValid(date) ? date : null
}

function isValid(date: Date): boolean {
  return !Number.isNaN(date.getTime())
}
