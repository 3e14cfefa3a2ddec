import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { created, page, paging } from "../pages.js"
import { boolean, mergeMetadata, metadata, positive, text } from "../params.js"
import { refundFee, reverseTransfer } from "./shares-back.js"

export function transfers(api: Api, account: Account): void {
  const { transfer_reversals, transfers } = account.store

  api.get("/v1/transfers/:id", {}, (_, id) => transfers.need(id))

  const query = { ...paging, created, destination: text, transfer_group: text }
  api.get("/v1/transfers", query, ({ destination, transfer_group, ...query }) =>
    page(
      transfers,
      "/v1/transfers",
      query,
      (of) =>
        query.created(of.created) &&
        (!destination || of.destination === destination) &&
        (!transfer_group || of.transfer_group === transfer_group),
    ),
  )

  const reversal = { amount: positive, metadata, refund_application_fee: boolean }
  api.post("/v1/transfers/:id/reversals", reversal, (given, id) => {
    const { amount, metadata, refund_application_fee } = given
    const transfer = transfers.need(id)
    const made = reverseTransfer(account, transfer, { amount, metadata: mergeMetadata({}, metadata) })
    if (refund_application_fee) refundFeeOf(String(transfer.destination_payment))
    return made
  })

  function refundFeeOf(payment: string): void {
    for (const fee of account.store.application_fees) if (fee.charge === payment) refundFee(account, fee)
  }

  api.get("/v1/transfers/:id/reversals", paging, (query, id) =>
    page(transfer_reversals, `/v1/transfers/${id}/reversals`, query, ({ transfer }) => transfer === id),
  )
}

export function applicationFees(api: Api, account: Account): void {
  const { application_fees, fee_refunds } = account.store

  api.get("/v1/application_fees/:id", {}, (_, id) => application_fees.need(id))

  api.get("/v1/application_fees", { ...paging, created, charge: text }, ({ charge, ...query }) =>
    page(
      application_fees,
      "/v1/application_fees",
      query,
      (of) =>
        query.created(of.created) &&
        (!charge || of.charge === charge || of.originating_transaction === charge),
    ),
  )

  api.post("/v1/application_fees/:id/refunds", { amount: positive, metadata }, ({ amount, metadata }, id) =>
    refundFee(account, application_fees.need(id), { amount, metadata: mergeMetadata({}, metadata) }),
  )

  api.get("/v1/application_fees/:id/refunds", paging, (query, id) =>
    page(fee_refunds, `/v1/application_fees/${id}/refunds`, query, ({ fee }) => fee === id),
  )
}
