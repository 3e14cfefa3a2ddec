import { ArrowUpRightOnBox } from "@medusajs/icons"
import { Badge, Button, CodeBlock, Container, Copy, Heading, Text } from "@medusajs/ui"
import { type ReactNode, useState } from "react"
import { Link, useParams } from "react-router-dom"
import type { PaymentAction } from "../../../../payments/actions"
import { ConfirmAction } from "../../../confirm-action"
import { Failure } from "../../../failure"
import { StateBadge } from "../../../state-badge"
import { type Payment, type StoredEvent, useEvents, usePayment } from "../../../stripe-payments"
import { Timeline } from "../../../timeline"
import { useWords } from "../../../words"

export default function StripePaymentPage() {
  const { id = "" } = useParams()
  const { t } = useWords()
  const { data, error, refetch } = usePayment(id)
  if (error) {
    return (
      <Container className="p-0">
        <Failure title={t("payment.notFound", { id })} error={error} onRetry={() => void refetch()} />
      </Container>
    )
  }
  if (!data) {
    return <Container className="h-48 animate-pulse" aria-busy />
  }
  const payment = data.stripe_payment
  return (
    <div className="flex flex-col gap-y-3">
      <Summary payment={payment} />
      <div className="grid grid-cols-1 gap-3 xl:grid-cols-[2fr_1fr]">
        <Timeline lines={payment.timeline} />
        <Details payment={payment} />
      </div>
      <Events id={id} />
    </div>
  )
}

function Summary({ payment }: { payment: Payment }) {
  const { t, money, stateText, time } = useWords()
  const [asked, setAsked] = useState<PaymentAction>()
  return (
    <Container className="flex flex-col gap-y-4">
      <div className="flex flex-col justify-between gap-3 md:flex-row md:items-start">
        <div>
          <div className="flex flex-wrap items-center gap-2">
            <Heading>{money(payment.amount, payment.currency)}</Heading>
            <StateBadge state={payment.status} />
            {payment.livemode === false && <Badge size="2xsmall">{t("payment.testMode")}</Badge>}
          </div>
          <Text size="small" className="text-ui-fg-subtle flex items-center gap-x-1 break-all">
            {payment.id} <Copy content={payment.id} variant="mini" />
          </Text>
        </div>
        <div className="flex flex-wrap gap-2">
          {payment.actions.map((action) => (
            <Button
              key={action}
              size="small"
              variant={action === "refund" ? "danger" : "secondary"}
              onClick={() => setAsked(action)}
            >
              {t(`actions.${action}.name`)}
            </Button>
          ))}
          <Button size="small" variant="transparent" asChild>
            <a href={stripeUrl(payment)} target="_blank" rel="noreferrer">
              {t("payment.stripe")} <ArrowUpRightOnBox />
            </a>
          </Button>
        </div>
      </div>
      <div>
        <Text size="small">{stateText(payment.status)}</Text>
        {payment.reason && (
          <Text size="small" weight="plus" className="mt-1 break-words">
            {payment.reason}
          </Text>
        )}
        {payment.last_error && (
          <Text size="small" className="text-ui-fg-error mt-1 break-words">
            {t("payment.lastError")}: {payment.last_error} ({t("payment.attempts")}: {payment.attempts},{" "}
            {t("payment.next")}: {time(payment.due_at)})
          </Text>
        )}
      </div>
      {asked && <ConfirmAction action={asked} ids={[payment.id]} onEnd={() => setAsked(undefined)} />}
    </Container>
  )
}

/** https://docs.stripe.com/dashboard: a test payment has its own address. */
function stripeUrl({ id, livemode }: Payment): string {
  const isSession = id.startsWith("cs_")
  return `https://dashboard.stripe.com/${livemode === false ? "test/" : ""}${isSession ? "checkout/sessions" : "payments"}/${id}`
}

function Details({ payment }: { payment: Payment }) {
  const { t, money, time } = useWords()
  const order = payment.order_id ? (
    <Link className="text-ui-fg-interactive" to={`/orders/${payment.order_id}`}>
      {payment.order_number ?? payment.order_id}
    </Link>
  ) : (
    t("payment.noOrder")
  )
  return (
    <Container className="divide-y p-0">
      <Heading level="h2" className="px-6 py-4">
        {t("payment.details")}
      </Heading>
      <dl>
        <Detail name={t("payment.order")}>{order}</Detail>
        <Detail name={t("payment.buyer")}>
          <span className="block">{payment.name ?? "–"}</span>
          <span className="block">{payment.email}</span>
        </Detail>
        <Detail name={t("payment.amount")}>{money(payment.amount, payment.currency)}</Detail>
        <Detail name={t("payment.method")}>{payment.payment_method_type ?? "–"}</Detail>
        <Detail name={t("payment.made")}>{time(payment.created)}</Detail>
        <Detail name={t("payment.since")}>{time(payment.status_since)}</Detail>
        <Detail name={t("payment.captured")}>{time(payment.captured_at)}</Detail>
        <Detail name={t("payment.announced")}>{time(payment.placed_at)}</Detail>
        {payment.cart_id && <Detail name={t("payment.cart")}>{payment.cart_id}</Detail>}
      </dl>
    </Container>
  )
}

function Detail({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="grid grid-cols-[2fr_3fr] gap-x-4 px-6 py-2">
      <Text asChild size="small" weight="plus">
        <dt>{name}</dt>
      </Text>
      <Text asChild size="small" className="text-ui-fg-subtle break-words">
        <dd>{children}</dd>
      </Text>
    </div>
  )
}

function Events({ id }: { id: string }) {
  const { t } = useWords()
  const { data, error, refetch } = useEvents(id)
  return (
    <Container className="divide-y p-0">
      <Heading level="h2" className="px-6 py-4">
        {t("payment.events")}
      </Heading>
      {error && <Failure title={t("payments.failed")} error={error} onRetry={() => void refetch()} />}
      {data?.events.length === 0 && (
        <Text size="small" className="text-ui-fg-subtle px-6 py-4">
          {t("payment.eventsEmpty")}
        </Text>
      )}
      {data?.events.map((event) => (
        <Event key={event.id} event={event} />
      ))}
    </Container>
  )
}

function Event({ event }: { event: StoredEvent }) {
  const { t, exactTime } = useWords()
  const { type, created, deliveries, payload } = event
  const code = JSON.stringify(payload, null, 2)
  return (
    <details className="px-6 py-3">
      <summary className="cursor-pointer">
        <Text as="span" size="small" weight="plus">
          {type}
        </Text>{" "}
        <Text as="span" size="small" className="text-ui-fg-subtle">
          {exactTime(created)},{" "}
          {deliveries ? t("payment.deliveries", { count: deliveries }) : t("payment.fetched")}
        </Text>
      </summary>
      {payload ? (
        <CodeBlock
          className="mt-2 max-h-96 overflow-auto"
          snippets={[{ label: event.id, language: "json", code }]}
        >
          <CodeBlock.Body />
        </CodeBlock>
      ) : (
        <Text size="small" className="text-ui-fg-subtle">
          {t("payment.pruned")}
        </Text>
      )}
    </details>
  )
}

export const handle = { breadcrumb: ({ params }: { params: { id?: string } }) => params.id ?? "" }
