import Medusa from "@medusajs/js-sdk"
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import type { WithOrderNumber } from "../api/admin/stripe-payments/with-orders"
import type { PaymentAction } from "../payments/actions"
import type { PaymentKind } from "../payments/kinds"
import type { EventView, TimelineLine } from "../payments/payments"
import type { PaymentPage } from "../payments/search"
import type { PaymentState } from "../payments/states"

declare const __BACKEND_URL__: string | undefined
declare const __AUTH_TYPE__: "session" | "jwt" | undefined

const sdk = new Medusa({
  baseUrl: __BACKEND_URL__ ?? "/",
  auth: { type: __AUTH_TYPE__ ?? "session" },
})

/** As it comes over HTTP: dates are text. */
type Json<T> = T extends Date ? string : T extends object ? { [Key in keyof T]: Json<T[Key]> } : T

export type Payment = Json<WithOrderNumber>
export type Line = Json<TimelineLine>
export type StoredEvent = Json<Omit<EventView, "payload">> & { payload: unknown }

export interface Search {
  q?: string
  kind?: PaymentKind
  status?: PaymentState[]
  /** the `next` of the page before */
  before?: string
}

const PAGE_SIZE = 20
const KEY = "holdfast-payments"
/** A payment moves on within a moment, and an operator watches. */
const REFRESH_MS = 5_000

export function usePayments(search: Search) {
  return useQuery({
    queryKey: [KEY, search],
    queryFn: () =>
      sdk.client.fetch<Omit<PaymentPage, "stripe_payments"> & { stripe_payments: Payment[] }>(
        "/admin/stripe-payments",
        { query: { ...search, limit: PAGE_SIZE } },
      ),
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  })
}

export function usePayment(id: string) {
  return useQuery({
    queryKey: [KEY, id],
    queryFn: () =>
      sdk.client.fetch<{ stripe_payment: Payment & { timeline: Line[] } }>(`/admin/stripe-payments/${id}`),
    refetchInterval: REFRESH_MS,
    retry: false,
  })
}

export function useEvents(id: string) {
  return useQuery({
    queryKey: [KEY, id, "events"],
    queryFn: () => sdk.client.fetch<{ events: StoredEvent[] }>(`/admin/stripe-payments/${id}/events`),
    refetchInterval: REFRESH_MS,
  })
}

/** The people of a timeline, by id. */
export function usePeople(ids: string[]) {
  return useQuery({
    queryKey: [KEY, "people", ids],
    queryFn: () =>
      sdk.client.fetch<{ users: { id: string; email: string; first_name?: string; last_name?: string }[] }>(
        "/admin/users",
        { query: { id: ids, limit: ids.length } },
      ),
    enabled: ids.length > 0,
    staleTime: Number.POSITIVE_INFINITY,
  })
}

export interface Done {
  done: string[]
  not_done: { id: string; status: PaymentState | null }[]
}

export interface Act {
  action: PaymentAction
  ids: string[]
  reason?: string
}

/** Safe to be sent twice: what is done already is answered as not done, with its state. */
export function useAct() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ action, ids, reason }: Act) =>
      sdk.client.fetch<Done>(`/admin/stripe-payments/${action}`, {
        method: "POST",
        body: { ids, ...(reason && { reason }) },
      }),
    onSettled: () => client.invalidateQueries({ queryKey: [KEY] }),
  })
}
