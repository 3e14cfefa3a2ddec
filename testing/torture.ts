/** `npm run torture -- [lock | shop]`: without a name, the lock's. The rest of the command line is the named one's own. */
const MAINS: Readonly<Record<string, string>> = {
  lock: "../packages/lock/torture/main.ts",
  shop: "../apps/backend/torture/main.ts",
}

const [, , name = ""] = process.argv
if (MAINS[name]) process.argv.splice(2, 1)
await import(MAINS[name] ?? "../packages/lock/torture/main.ts")
