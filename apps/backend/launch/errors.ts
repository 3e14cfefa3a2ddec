/** A problem that the user can fix: the message says what is wrong and what to do. */
export class LaunchError extends Error {
  override name = "LaunchError"
}
