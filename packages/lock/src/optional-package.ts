import { LockSetupError } from "./errors.js"

const MISSING = ["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"]

/**
 * What to throw where the package `name` could not be loaded, which only some users need: it is missing, or it is
 * there and fails. `advice` says what to do where it is missing.
 */
export function notLoaded(name: string, advice: string, cause: unknown): LockSetupError {
  const { code = "", message = String(cause) } = cause as { code?: string; message?: string }
  // A package that one needs may be missing too; its error names the path to this one, not its name alone.
  const isMissing = MISSING.includes(code) && new RegExp(`(['"]|access )${name}\\b`).test(message)
  const text = isMissing ? advice : `The package ${name} is there, but could not be loaded: ${message}`
  return new LockSetupError(text, undefined, { cause })
}
