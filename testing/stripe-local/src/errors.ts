import type Stripe from "stripe"

/** What stands under `error` in the body of a refused request. */
export interface ErrorBody {
  type: "api_error" | "card_error" | "idempotency_error" | "invalid_request_error"
  message: string
  code?: string
  decline_code?: string
  param?: string
  doc_url?: string
  charge?: string
  payment_intent?: Stripe.PaymentIntent
  payment_method?: Stripe.PaymentMethod
  setup_intent?: Stripe.SetupIntent
}

/**
 * An answer that refuses. `saved` tells whether an idempotency key remembers it: Stripe saves what happened
 * once the endpoint began its work, and forgets what was refused at the door.
 */
export class ApiError extends Error {
  readonly body: ErrorBody

  constructor(
    readonly status: number,
    body: ErrorBody,
    readonly saved = true,
    readonly headers: Record<string, string> = {},
  ) {
    super(body.message)
    this.name = "ApiError"
    this.body = body.code ? { doc_url: docUrl(body.code), ...body } : body
  }
}

type Details = Omit<ErrorBody, "type" | "message">

/** 400: what was asked is understood and can't be done. */
export function refused(message: string, details: Details = {}): ApiError {
  return new ApiError(400, { type: "invalid_request_error", message, ...details })
}

/** 400: a parameter is missing, unknown or malformed; nothing was begun, so no idempotency key remembers it. */
export function badParam(message: string, param: string, code?: string): ApiError {
  return new ApiError(400, { type: "invalid_request_error", message, param, ...(code && { code }) }, false)
}

/** 404 for the object in the path; 400 for one that a parameter names. */
export function noSuch(kind: string, id: string, param: string, status: 400 | 404 = 404): ApiError {
  const message = `No such ${kind}: '${id}'`
  return new ApiError(status, { type: "invalid_request_error", code: "resource_missing", message, param })
}

/** 400 for a payment intent whose status doesn't allow what was asked; it comes along, as Stripe sends it. */
export function unexpectedState(message: string, intent: Stripe.PaymentIntent): ApiError {
  return refused(message, {
    code: "payment_intent_unexpected_state",
    payment_intent: structuredClone(intent),
  })
}

export function docUrl(code: string): string {
  return `https://stripe.com/docs/error-codes/${code.replaceAll("_", "-")}`
}
