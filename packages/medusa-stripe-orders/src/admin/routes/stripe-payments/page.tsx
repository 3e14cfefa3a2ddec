import { defineRouteConfig } from "@medusajs/admin-sdk"
import { CurrencyDollar } from "@medusajs/icons"
import {
  Button,
  Container,
  createDataTableColumnHelper,
  createDataTableCommandHelper,
  createDataTableFilterHelper,
  DataTable,
  type DataTableRowSelectionState,
  Heading,
  Text,
  useDataTable,
} from "@medusajs/ui"
import { useMemo, useState } from "react"
import { useNavigate, useSearchParams } from "react-router-dom"
import type { PaymentAction } from "../../../payments/actions"
import { PAYMENT_KINDS, type PaymentKind } from "../../../payments/kinds"
import { PAYMENT_STATES, type PaymentState } from "../../../payments/states"
import { ConfirmAction } from "../../confirm-action"
import { Failure } from "../../failure"
import { NAMESPACE } from "../../i18n"
import { StateBadge } from "../../state-badge"
import { type Payment, type Search, usePayments } from "../../stripe-payments"
import { useWords } from "../../words"

const SHORTCUTS: Record<PaymentAction, string> = { retry: "r", backorder: "b", refund: "g", dismiss: "d" }

const column = createDataTableColumnHelper<Payment>()
const filter = createDataTableFilterHelper<Payment>()
const command = createDataTableCommandHelper()

export default function StripePaymentsPage() {
  const { t } = useWords()
  const { search, change } = useSearch()
  const { data, error, isLoading, refetch } = usePayments(search)
  const [selection, setSelection] = useState<DataTableRowSelectionState>({})
  const [asked, setAsked] = useState<{ action: PaymentAction; ids: string[] }>()
  const navigate = useNavigate()
  const isNarrowed = Boolean(search.q || search.kind || search.status)

  const table = useDataTable({
    data: data?.stripe_payments ?? [],
    columns: useColumns(),
    filters: useFilters(),
    commands: useCommands((action, ids) => setAsked({ action, ids })),
    getRowId: ({ id }) => id,
    rowCount: data?.count ?? 0,
    isLoading,
    onRowClick: (_, { id }) => navigate(`/stripe-payments/${id}`),
    search: { state: search.q ?? "", onSearchChange: (q) => change({ ...search, q }) },
    filtering: {
      state: { ...(search.kind && { kind: search.kind }), ...(search.status && { status: search.status }) },
      onFilteringChange: ({ kind, status }) =>
        change({ ...search, kind: kind as PaymentKind, status: status as PaymentState[] }),
    },
    rowSelection: {
      state: selection,
      onRowSelectionChange: setSelection,
      enableRowSelection: ({ original }) => (original as Payment).actions.length > 0,
    },
  })

  return (
    <Container className="divide-y p-0">
      <DataTable instance={table}>
        <DataTable.Toolbar className="flex flex-col items-start justify-between gap-2 md:flex-row md:items-center">
          <div>
            <Heading>{t("payments.title")}</Heading>
            <Text size="small" className="text-ui-fg-subtle">
              {t("payments.subtitle")}
            </Text>
          </div>
          <div className="flex w-full items-center gap-2 md:w-auto">
            <DataTable.FilterMenu />
            <DataTable.Search placeholder={t("payments.search")} className="w-full md:w-72" />
          </div>
        </DataTable.Toolbar>
        {error ? (
          <Failure title={t("payments.failed")} error={error} onRetry={() => void refetch()} />
        ) : (
          <DataTable.Table
            emptyState={{
              empty: {
                heading: t(isNarrowed ? "payments.none" : "payments.empty"),
                description: t(isNarrowed ? "payments.noneText" : "payments.emptyText"),
              },
              filtered: { heading: t("payments.none"), description: t("payments.noneText") },
            }}
          />
        )}
        <DataTable.CommandBar selectedLabel={(count) => t("payments.selected", { count })} />
      </DataTable>
      {data && <Pages data={data} search={search} change={change} />}
      {asked && (
        <ConfirmAction
          {...asked}
          onEnd={() => {
            setAsked(undefined)
            setSelection({})
          }}
        />
      )}
    </Container>
  )
}

interface PagesProps {
  data: { count: number; count_is_capped: boolean; next: number | null }
  search: Search
  change: (search: Search) => void
}

/** By the last payment of the page, not by its number: the next page begins there however many have come meanwhile. */
function Pages({ data: { count, count_is_capped, next }, search, change }: PagesProps) {
  const { t } = useWords()
  return (
    <div className="flex items-center justify-between px-6 py-4">
      <Text size="small" className="text-ui-fg-subtle" aria-live="polite">
        {t(count_is_capped ? "payments.countMore" : "payments.count", { count })}
      </Text>
      {(search.before || next !== null) && (
        <div className="flex gap-x-2">
          <Button
            size="small"
            variant="transparent"
            disabled={!search.before}
            onClick={() => change({ ...search, before: undefined })}
          >
            {t("payments.newest")}
          </Button>
          <Button
            size="small"
            variant="secondary"
            disabled={next === null}
            onClick={() => change({ ...search, before: String(next) })}
          >
            {t("payments.older")}
          </Button>
        </div>
      )}
    </div>
  )
}

/** The search, kept in the URL. Another search begins on its first page. */
function useSearch() {
  const [params, setParams] = useSearchParams()
  const status = params.getAll("status") as PaymentState[]
  const search: Search = {
    q: params.get("q") ?? undefined,
    kind: (params.get("kind") as PaymentKind) ?? undefined,
    status: status.length > 0 ? status : undefined,
    before: params.get("before") ?? undefined,
  }
  const change = (next: Search) => {
    const isSame = next.q === search.q && next.kind === search.kind && next.status === search.status
    const kept = new URLSearchParams()
    if (next.q) kept.set("q", next.q)
    if (next.kind) kept.set("kind", next.kind)
    for (const state of next.status ?? []) kept.append("status", state)
    if (isSame && next.before) kept.set("before", next.before)
    setParams(kept)
  }
  return { search, change }
}

function useColumns() {
  const { t, money, time } = useWords()
  return [
    column.select(),
    column.accessor("status", {
      header: t("payments.state"),
      cell: ({ getValue }) => <StateBadge state={getValue()} />,
    }),
    column.accessor("order_number", {
      header: t("payments.order"),
      cell: ({ getValue }) => getValue() ?? "–",
    }),
    column.accessor("email", {
      header: t("payments.buyer"),
      cell: ({ row }) => row.original.email ?? row.original.name ?? "–",
    }),
    column.accessor("amount", {
      header: t("payments.amount"),
      headerAlign: "right",
      cell: ({ row: { original } }) => (
        <div className="text-right tabular-nums">{money(original.amount, original.currency)}</div>
      ),
    }),
    column.accessor("created", {
      header: t("payments.paid"),
      cell: ({ row: { original } }) => (
        <span className="whitespace-nowrap">{time(original.created)}</span>
      ),
    }),
    column.accessor("reason", {
      header: t("payments.why"),
      maxSize: 320,
      cell: ({ row: { original } }) => (
        <span className="block max-w-xs truncate" title={original.reason ?? original.last_error ?? undefined}>
          {original.reason ?? original.last_error ?? "–"}
        </span>
      ),
    }),
  ]
}

function useFilters() {
  const { t, stateName } = useWords()
  return [
    filter.accessor(
      "kind" as "status",
      {
        id: "kind",
        type: "radio",
        label: t("payments.kind"),
        options: PAYMENT_KINDS.map((kind) => ({ label: t(`kinds.${kind}`), value: kind })),
      } as never,
    ),
    filter.accessor("status", {
      type: "select",
      label: t("payments.state"),
      options: PAYMENT_STATES.map((state) => ({ label: stateName(state), value: state })),
    }),
  ]
}

function useCommands(ask: (action: PaymentAction, ids: string[]) => void) {
  const { t } = useWords()
  return useMemo(
    () =>
      (Object.keys(SHORTCUTS) as PaymentAction[]).map((action) =>
        command.command({
          label: t(`actions.${action}.name`),
          shortcut: SHORTCUTS[action],
          action: (selection) => ask(action, Object.keys(selection)),
        }),
      ),
    [t, ask],
  )
}

export const config = defineRouteConfig({ label: "nav", translationNs: NAMESPACE, icon: CurrencyDollar })

export const handle = { breadcrumb: () => "Stripe" }
