/**
 * Whether this is the nightly run, `npm run test:nightly`. It adds what takes long and what is of a kind that every run shows
 * in another case.
 */
export const isNightly = process.env.HOLDFAST_NIGHTLY !== undefined

/** The cases of `names` in every run, and all of them at night. */
export function everyRun<T>(cases: Record<string, T>, names: readonly string[]): [string, T][] {
  return Object.entries(cases).filter(([name]) => isNightly || names.includes(name))
}
