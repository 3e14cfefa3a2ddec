/** Something that the person who starts the shop can put right: the message says what, and what to do. */
export class LaunchError extends Error {
  override name = "LaunchError"
}
