/**
 * Whether this is the nightly run, `npm run test:nightly`. It adds what takes long and what is of a kind that every run shows
 * in another case.
 */
export const isNightly = process.env.HOLDFAST_NIGHTLY !== undefined
