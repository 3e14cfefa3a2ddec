/** The shop answered with an error status. */
export class ShopApiError extends Error {
  override name = "ShopApiError"

  constructor(
    request: string,
    readonly status: number,
    readonly body: string,
  ) {
    super(`${request}: ${status} ${body}`)
  }

  /** Medusa's own message, without the request. */
  get reason(): string {
    try {
      return JSON.parse(this.body).message
    } catch {
      return this.body
    }
  }
}

export interface ShopRequest {
  shopUrl: string
  method: string
  path: string
  body?: unknown
  headers?: Record<string, string>
}

/** @throws ShopApiError unless the status is 2xx */
export async function request<T>({ shopUrl, method, path, body, headers }: ShopRequest): Promise<T> {
  const response = await fetch(`${shopUrl}${path}`, {
    method,
    headers: { "content-type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new ShopApiError(`${method} ${path}`, response.status, text)
  return JSON.parse(text) as T
}
