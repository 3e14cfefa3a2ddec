import { MedusaError } from "@medusajs/framework/utils"
import Stripe from "stripe"
import { faultOf } from "./event-schema"
import { concernOf } from "./events"
import { withoutSecrets } from "./payments/client-secret"
import { factsOf } from "./payments/facts"
import type { Received } from "./payments/inbox"
import { parseStorable } from "./payments/storable"
import type { ReceivedEvent } from "./plugin"

/** Stripe's own default: an older timestamp means a replay. */
const SIGNATURE_TOLERANCE_SECONDS = 300

export interface WebhookOptions {
  apiKey: string
  webhookSecrets: string[]
}

/**
 * The event that Stripe signed. Any of the configured secrets may have signed it, so that a secret can be
 * rotated without losing an event.
 *
 * @throws MedusaError `invalid_data` that says what is wrong: the signature, the kind of endpoint, the event, or its mode
 */
export function verifyWebhook(
  rawBody: Buffer | undefined,
  signature: string | string[] | undefined,
  { apiKey, webhookSecrets }: WebhookOptions,
): ReceivedEvent {
  if (!rawBody?.length) {
    throw refuse("The request has no JSON body. Stripe sends events as application/json.")
  }
  if (typeof signature !== "string") {
    throw refuse("The Stripe-Signature header is missing. Only Stripe may post here.")
  }
  verifySignature(rawBody, signature, webhookSecrets)
  const payload = rawBody.toString("utf8")
  const event = parse(payload)
  refuseThin(event)
  const fault = faultOf(event)
  if (fault) {
    throw refuse(`The event is signed, but is none that Stripe makes: ${fault}`)
  }
  refuseOtherMode(event as Stripe.Event, apiKey)
  return { event: event as Stripe.Event, payload }
}

function verifySignature(rawBody: Buffer, header: string, secrets: string[]): void {
  const { signature } = Stripe.webhooks
  const reasons = new Set<string>()
  for (const secret of secrets) {
    try {
      if (signature?.verifyHeader(rawBody, header, secret, SIGNATURE_TOLERANCE_SECONDS)) {
        return
      }
    } catch (error) {
      reasons.add((error as Error).message.split("\n")[0]?.trim() ?? "")
    }
  }
  const reason = [...reasons].join(" ")
  throw refuse(
    `The webhook's signature is not valid: ${reason} Check the endpoint's signing secret and the clock.`,
  )
}

/** Lists that are nested by the hundred thousand are JSON too, and more than JSON.parse takes with a reviver. */
function parse(payload: string): unknown {
  try {
    return parseStorable(payload)
  } catch (error) {
    throw refuse(`The event is signed, but its JSON can't be read: ${(error as Error).name}`)
  }
}

/** A thin event names an object and holds none: it would have to be asked for, by another API. */
function refuseThin(event: unknown): void {
  if ((event as { object?: unknown } | null)?.object === "v2.core.event") {
    throw refuse(
      "This is a thin event (v2.core.event), which does not hold the payment. In Stripe, give this URL to a webhook " +
        'endpoint, or an event destination, whose payload style is "Snapshot", and take it from the one that sends thin events.',
    )
  }
}

const MODES = { live: /^(sk|rk)_live_/, test: /^(sk|rk)_test_/ }

/** Payments of the other mode can't be captured or refunded with the key, and test payments are no money. */
function refuseOtherMode({ livemode }: Stripe.Event, apiKey: string): void {
  const [mode, other] = livemode ? (["live", "test"] as const) : (["test", "live"] as const)
  if (MODES[other].test(apiKey)) {
    throw refuse(
      `This is a ${mode} event, but apiKey is a key of ${other} mode: let the ${other} endpoint of Stripe send here, or configure the ${mode} key and the ${mode} endpoint's secret.`,
    )
  }
}

/** What is stored of it: whole but for the client's secret, with the payment that it is about. */
export function receivedOf({ event, payload, isFetched }: ReceivedEvent): Received {
  const { id, type, livemode, created } = event
  const concern = concernOf(event)
  return {
    event: {
      id,
      type,
      api_version: event.api_version ?? null,
      livemode,
      created,
      payload: withoutSecrets(payload),
      isFetched,
    },
    concern: concern && {
      payment_intent_id: concern.payment_intent_id,
      opens: concern.opens,
      news: concern.news,
      facts: factsOf(event, concern.snapshot),
    },
  }
}

/** Whether the key moves real money. */
export function isLiveKey(apiKey: string): boolean {
  return MODES.live.test(apiKey)
}

function refuse(message: string): MedusaError {
  return new MedusaError(MedusaError.Types.INVALID_DATA, message)
}
