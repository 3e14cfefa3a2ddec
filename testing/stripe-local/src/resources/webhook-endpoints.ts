import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { badParam } from "../errors.js"
import { newId, random } from "../ids.js"
import { page, paging } from "../pages.js"
import { boolean, list, mergeMetadata, metadata, required, text } from "../params.js"
import type { EndpointSecrets } from "../store.js"

export interface NewEndpoint {
  url: string
  enabledEvents?: string[]
  /** Fixed, for a shop that has it in its settings; otherwise a new one. */
  secret?: string
  /** For the events of connected accounts instead of the platform's own. */
  connect?: boolean
  description?: string | null
  metadata?: Stripe.Metadata
}

export function createEndpoint(
  account: Account,
  given: NewEndpoint,
): Stripe.WebhookEndpoint & { secret: string } {
  const secret = given.secret ?? newSecret()
  const endpoint = account.store.webhook_endpoints.add({
    id: newId("we"),
    object: "webhook_endpoint",
    api_version: account.apiVersion,
    application: null,
    created: account.now(),
    description: given.description ?? null,
    enabled_events: given.enabledEvents ?? ["*"],
    livemode: false,
    metadata: given.metadata ?? {},
    status: "enabled",
    url: validUrl(given.url),
  })
  account.store.endpoint_secrets.add({ id: endpoint.id, secrets: [secret], connect: given.connect })
  return { ...endpoint, secret }
}

export function deleteEndpoint(account: Account, id: string): void {
  account.store.webhook_endpoints.delete(id)
  account.store.endpoint_secrets.delete(id)
}

/** A new secret in front; the old one still signs, as Stripe has it for up to a day, unless `expireOld`. */
export function rollSecret(secrets: EndpointSecrets, secret = newSecret(), expireOld = false): string {
  secrets.secrets = expireOld ? [secret] : [secret, ...secrets.secrets]
  return secret
}

function newSecret(): string {
  return `whsec_${random(32)}`
}

function validUrl(url: string): string {
  if (!URL.canParse(url)) throw badParam("Invalid URL", "url", "url_invalid")
  return url
}

export function webhookEndpoints(api: Api, account: Account): void {
  const { webhook_endpoints } = account.store

  const creation = {
    url: required(text),
    enabled_events: required(list(text)),
    api_version: text,
    connect: boolean,
    description: text,
    metadata,
  }
  api.post("/v1/webhook_endpoints", creation, ({ url, enabled_events, connect, description, metadata }) =>
    createEndpoint(account, {
      url,
      enabledEvents: enabled_events,
      connect,
      description,
      metadata: mergeMetadata({}, metadata),
    }),
  )

  api.get("/v1/webhook_endpoints", paging, (query) => page(webhook_endpoints, "/v1/webhook_endpoints", query))

  api.get("/v1/webhook_endpoints/:id", {}, (_, id) => webhook_endpoints.need(id))

  const changes = { url: text, enabled_events: list(text), disabled: boolean, description: text, metadata }
  api.post("/v1/webhook_endpoints/:id", changes, (change, id) => {
    const endpoint = webhook_endpoints.need(id)
    if (change.url) endpoint.url = validUrl(change.url)
    if (change.enabled_events) endpoint.enabled_events = change.enabled_events
    if (change.disabled !== undefined) endpoint.status = change.disabled ? "disabled" : "enabled"
    if (change.description !== undefined) endpoint.description = change.description
    endpoint.metadata = mergeMetadata(endpoint.metadata, change.metadata)
    return endpoint
  })

  api.delete("/v1/webhook_endpoints/:id", {}, (_, id) => {
    deleteEndpoint(account, webhook_endpoints.need(id).id)
    return { id, object: "webhook_endpoint", deleted: true }
  })
}
