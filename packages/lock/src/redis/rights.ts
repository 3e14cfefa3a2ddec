import { LockSetupError } from "../errors.js"

/** What a user needs beside the keys and the channels. */
const COMMANDS =
  "+@connection +info +evalsha +eval +subscribe +publish +time +@hash +@sortedset +persist +pexpire +del"

/** Of the call itself, and of a command within the script. */
const DENIED = /^NOPERM|user executing the script can't|ACL failure in script/

/** That kind alone: Redis refuses a pattern of keys for a user that may use all of them. */
function lacking(message: string, space: string): string {
  if (/\bkeys\b/.test(message)) return `~${space}*`
  return /\bchannels?\b/.test(message) ? `&${space}*` : COMMANDS
}

/** What to tell of an error: where the user lacks a right, how to give it. `space` is the name of the records' key. */
export function explained(error: Error, space: string): Error {
  if (!DENIED.test(error.message)) return error
  return new LockSetupError(
    `The user of Redis lacks a right (${error.message.trim()}). Run ACL SETUSER <user> ${lacking(error.message, space)}`,
    undefined,
    { cause: error },
  )
}
