import type { MedusaRequest } from "@medusajs/framework/http"
import { MedusaError } from "@medusajs/framework/utils"
import type { BuyersQuestion } from "../../../../buyers/buyers-payment"

/** As Stripe names it in the URL to which it returns the buyer, and in short. */
const QUERY_NAMES = ["client_secret", "payment_intent_client_secret"]

const LONGEST_WAIT_SECONDS = 30

/** @throws MedusaError where no secret is given, or none of this payment; that says nothing of whether the payment exists */
export function questionOf({ params, headers, query }: MedusaRequest): BuyersQuestion {
  const id = params.payment_intent ?? ""
  if (SESSION.test(id)) {
    return { id, client_secret: id }
  }
  if (!/^pi_[A-Za-z0-9_]{1,252}$/.test(id)) {
    throw refuse("A payment intent's id is pi_…, and a Checkout Session's cs_…")
  }
  const [client_secret] = [headers[SECRET_HEADER], ...QUERY_NAMES.map((name) => query[name])].filter(
    (given) => given !== undefined,
  )
  if (client_secret === undefined || client_secret === "") {
    throw new MedusaError(
      MedusaError.Types.UNAUTHORIZED,
      `The payment's client secret is missing: give it in the header ${SECRET_HEADER}`,
    )
  }
  if (typeof client_secret !== "string" || !isFormOfSecret(id, client_secret)) {
    throw refuse(`The client secret of ${id} is ${id}_secret_…`)
  }
  return { id, client_secret }
}

/** A Checkout Session's id has 58 random characters, which only the buyer's browser and the shop know. */
const SESSION = /^cs_[A-Za-z0-9_]{20,252}$/

const SECRET_HEADER = "x-stripe-client-secret"

/** Every client secret begins with its payment intent's id: one of another payment is known by its look. */
function isFormOfSecret(id: string, client_secret: string): boolean {
  return client_secret.startsWith(`${id}_secret_`) && /^[A-Za-z0-9_]{1,500}$/.test(client_secret)
}

/** Milliseconds. */
export function waitOf({ query }: MedusaRequest): number {
  const { wait = "0" } = query
  const seconds = typeof wait === "string" && /^\d{1,2}$/.test(wait) ? Number(wait) : Number.NaN
  if (!(seconds <= LONGEST_WAIT_SECONDS)) {
    throw refuse(`wait must be whole seconds, at most ${LONGEST_WAIT_SECONDS}`)
  }
  return seconds * 1000
}

/** Medusa logs the URL of each request, and from which page it came, when it is answered. */
export function hideSecret(req: MedusaRequest): void {
  req.originalUrl = withoutSecret(req.originalUrl)
  const { referer } = req.headers
  if (referer) {
    req.headers.referer = withoutSecret(referer)
  }
}

function withoutSecret(url: string): string {
  return url
    .replace(/(client_secret(?:\[[^=]*)?=)[^&#]*/gi, "$1hidden")
    .replace(/cs_(live|test)_\w+/g, "cs_$1_hidden")
}

function refuse(message: string): MedusaError {
  return new MedusaError(MedusaError.Types.INVALID_DATA, message)
}
