import { execFileSync } from "node:child_process"
import { readFileSync, type Stats, statSync } from "node:fs"
import { dirname } from "node:path"
import { PostgresError } from "./errors.ts"

/** The system user that PostgreSQL runs as, and how a command is started as that user. */
export interface Account {
  uid?: number
  gid?: number
  command(program: string, args: string[]): { program: string; args: string[]; uid?: number; gid?: number }
}

const DAC_OVERRIDE = 1n << 1n
const DAC_READ_SEARCH = 1n << 2n
const SETPCAP = 1n << 8n

/**
 * PostgreSQL refuses to run as root. For root it runs as the owner of the data directory, or as `nobody` when
 * that is new: every system has this user, so none needs to be created and left behind.
 */
export function chooseAccount(dataDir: string, binary: string): Account {
  if (process.getuid?.() !== 0) return { command: (program, args) => ({ program, args }) }
  const owner = statSync(dataDir, { throwIfNoEntry: false })
  const { uid, gid } = owner && owner.uid !== 0 ? owner : unprivilegedUser()
  const closed = [binary, dataDir].some((path) => !reachable(path, uid, gid))
  const plain: Account = { uid, gid, command: (program, args) => ({ program, args, uid, gid }) }
  return closed ? { ...plain, command: (program, args) => asGuest(program, args, uid, gid) } : plain
}

function unprivilegedUser() {
  const id = (flag: string) => Number(execFileSync("id", [flag, "nobody"], { stdio: "pipe" }))
  try {
    return { uid: id("-u"), gid: id("-g") }
  } catch (cause) {
    throw new PostgresError(
      "NO_ACCOUNT",
      "PostgreSQL doesn't run as root, and this system has no user `nobody` to run it as. " +
        "Start this as another user, or set DATABASE_URL to a PostgreSQL of your own.",
      { cause },
    )
  }
}

function reachable(path: string, uid: number, gid: number): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  const here = stat ? mayEnter(stat, uid, gid) : true
  return here && (dirname(path) === path || reachable(dirname(path), uid, gid))
}

function mayEnter(stat: Stats, uid: number, gid: number): boolean {
  if (stat.uid === uid) return (stat.mode & 0o100) !== 0
  if (stat.gid === gid) return (stat.mode & 0o010) !== 0
  return (stat.mode & 0o001) !== 0
}

// A checkout in root's home or in a directory of `mktemp -d` (mode 700) is closed to every other user. Of
// root's powers the server keeps the one that opens these directories. A container's root seldom has the
// narrower of the two capabilities, and that one doesn't cover a binary that only root may execute. Without
// no_setuid_fixup the kernel leaves capabilities out of access(2), by which PostgreSQL looks for its programs.
function asGuest(program: string, args: string[], uid: number, gid: number) {
  const has = capabilities()
  const narrow = (has & DAC_READ_SEARCH) !== 0n && (statSync(program).mode & 0o001) !== 0
  const needed = SETPCAP | (narrow ? DAC_READ_SEARCH : DAC_OVERRIDE)
  if ((has & needed) !== needed) throw closedDirectory(program)
  const capability = narrow ? "+dac_read_search" : "+dac_override"
  const identity = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--securebits=+no_setuid_fixup"]
  const powers = [`--inh-caps=${capability}`, `--ambient-caps=${capability}`]
  return { program: "setpriv", args: [...identity, ...powers, "--", program, ...args] }
}

function capabilities(): bigint {
  if (process.platform !== "linux") return 0n
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))
  return BigInt(`0x${effective?.[1] ?? "0"}`)
}

function closedDirectory(path: string) {
  return new PostgresError(
    "NO_ACCOUNT",
    `PostgreSQL doesn't run as root, and no other user may enter the directories above ${path}. ` +
      "Move the checkout to a directory that others may enter (/srv, for example), start this as another user, " +
      "or set DATABASE_URL to a PostgreSQL of your own.",
  )
}
