import { defineWidgetConfig } from "@medusajs/admin-sdk"
import type { AdminOrder, DetailWidgetProps } from "@medusajs/framework/types"
import { Container, Heading, Text } from "@medusajs/ui"
import { Link } from "react-router-dom"
import { StateBadge } from "../state-badge"
import { usePayments } from "../stripe-payments"
import { useWords } from "../words"

/** The Stripe payments of an order, on its page: how each stands, and why. */
export default function OrderStripePayment({ data: { id } }: DetailWidgetProps<AdminOrder>) {
  const { t, money } = useWords()
  const { data, error } = usePayments({ q: id })
  const payments = data?.stripe_payments.filter(({ order_id }) => order_id === id) ?? []
  if (!error && payments.length === 0) {
    return null
  }
  return (
    <Container className="divide-y p-0">
      <Heading level="h2" className="px-6 py-4">
        {t("widget.title")}
      </Heading>
      {error && (
        <Text size="small" className="text-ui-fg-error px-6 py-4">
          {t("widget.failed")} {error.message}
        </Text>
      )}
      {payments.map((payment) => (
        <div key={payment.id} className="flex flex-col gap-y-2 px-6 py-4">
          <div className="flex items-center justify-between gap-2">
            <Text size="small">{money(payment.amount, payment.currency)}</Text>
            <StateBadge state={payment.status} />
          </div>
          {payment.reason && (
            <Text size="small" className="text-ui-fg-subtle break-words">
              {payment.reason}
            </Text>
          )}
          <Link className="text-ui-fg-interactive txt-small" to={`/stripe-payments/${payment.id}`}>
            {t("widget.open")}
          </Link>
        </div>
      ))}
    </Container>
  )
}

export const config = defineWidgetConfig({
  id: "holdfast:order-stripe-payment",
  zone: "order.details.side.after",
})
