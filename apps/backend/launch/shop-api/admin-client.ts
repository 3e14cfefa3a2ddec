import type { Admin } from "../database.ts"
import { request } from "./request.ts"

/** The shop's admin API, with the login of an administrator. */
export class AdminClient {
  readonly #shopUrl: string
  readonly #token: string

  private constructor(shopUrl: string, token: string) {
    this.#shopUrl = shopUrl
    this.#token = token
  }

  static async login(shopUrl: string, { email, password }: Admin): Promise<AdminClient> {
    const { token } = await request<{ token: string }>({
      shopUrl,
      method: "POST",
      path: "/auth/user/emailpass",
      body: { email, password },
    })
    return new AdminClient(shopUrl, token)
  }

  request<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers = { authorization: `Bearer ${this.#token}` }
    return request<T>({ shopUrl: this.#shopUrl, method, path, body, headers })
  }
}
