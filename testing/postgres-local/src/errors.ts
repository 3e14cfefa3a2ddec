export type PostgresErrorCode =
  | "DATA_NOT_WRITABLE"
  | "OTHER_VERSION"
  | "IN_USE"
  | "PORT_IN_USE"
  | "NO_BINARIES"
  | "NO_ACCOUNT"
  | "FAILED"

/** `message` says what is wrong and what to do about it; `code` is stable. */
export class PostgresError extends Error {
  override name = "PostgresError"

  constructor(
    readonly code: PostgresErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}
