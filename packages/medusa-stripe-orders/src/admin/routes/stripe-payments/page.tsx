import { defineRouteConfig } from "@medusajs/admin-sdk"
import { CurrencyDollar } from "@medusajs/icons"
import {
  Button,
  Checkbox,
  Container,
  createDataTableColumnHelper,
  createDataTableCommandHelper,
  DataTable,
  type DataTableRowSelectionState,
  Heading,
  Input,
  Select,
  Text,
  useDataTable,
} from "@medusajs/ui"
import { useEffect, useState } from "react"
import { useNavigate, useSearchParams } from "react-router-dom"
import type { PaymentAction } from "../../../payments/actions"
import { PAYMENT_KINDS, type PaymentKind } from "../../../payments/kinds"
import { PAYMENT_STATES, type PaymentState } from "../../../payments/states"
import { ConfirmAction } from "../../confirm-action"
import { Failure } from "../../failure"
import { StateBadge } from "../../state-badge"
import { type Payment, type Search, usePayments } from "../../stripe-payments"
import { useWords } from "../../words"

const SHORTCUTS: Record<PaymentAction, string> = { retry: "r", backorder: "b", refund: "g", dismiss: "d" }

const column = createDataTableColumnHelper<Payment>()
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
    commands: useCommands((action, ids) => setAsked({ action, ids })),
    getRowId: ({ id }) => id,
    rowCount: data?.count ?? 0,
    isLoading,
    onRowClick: (_, { id }) => navigate(`/stripe-payments/${id}`),
    rowSelection: {
      state: selection,
      onRowSelectionChange: setSelection,
      enableRowSelection: ({ original }) => (original as Payment).actions.length > 0,
    },
  })

  return (
    <Container className="divide-y p-0">
      <DataTable instance={table}>
        <Toolbar search={search} change={change} />
        {error ? (
          <Failure title={t("payments.failed")} error={error} onRetry={() => void refetch()} />
        ) : (
          <DataTable.Table
            emptyState={{
              empty: {
                heading: t(isNarrowed ? "payments.none" : "payments.empty"),
                description: t(isNarrowed ? "payments.noneText" : "payments.emptyText"),
              },
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

interface SearchProps {
  search: Search
  change: (search: Search) => void
}

const EVERYTHING = "everything"
const TYPED_FOR_MS = 300

function Toolbar({ search, change }: SearchProps) {
  const { t } = useWords()
  const [typed, setTyped] = useState(search.q ?? "")
  const isNew = typed.trim() !== (search.q ?? "")
  useEffect(() => {
    if (!isNew) {
      return
    }
    const typing = setTimeout(() => change({ ...search, q: typed.trim() }), TYPED_FOR_MS)
    return () => clearTimeout(typing)
  }, [isNew, typed, search, change])
  return (
    <div className="flex flex-col justify-between gap-3 px-6 py-4 md:flex-row md:items-center">
      <div>
        <Heading>{t("payments.title")}</Heading>
        <Text size="small" className="text-ui-fg-subtle">
          {t("payments.subtitle")}
        </Text>
      </div>
      <div className="flex flex-col gap-2 sm:flex-row">
        <Kinds search={search} change={change} />
        <Input
          size="small"
          className="w-full sm:w-72"
          aria-label={t("payments.search")}
          placeholder={t("payments.search")}
          value={typed}
          onChange={({ target }) => setTyped(target.value)}
        />
      </div>
    </div>
  )
}

/** What operators ask for most, and each state by itself. */
function Kinds({ search, change }: SearchProps) {
  const { t, stateName } = useWords()
  const choose = (value: string) => {
    const [by, name] = value.split(":")
    change({
      ...search,
      kind: by === "kind" ? (name as PaymentKind) : undefined,
      status: by === "state" ? [name as PaymentState] : undefined,
    })
  }
  const chosen = search.kind
    ? `kind:${search.kind}`
    : search.status
      ? `state:${search.status[0]}`
      : EVERYTHING
  return (
    <Select size="small" value={chosen} onValueChange={choose}>
      <Select.Trigger aria-label={t("payments.kind")} className="w-full sm:w-48">
        <Select.Value />
      </Select.Trigger>
      <Select.Content>
        <Select.Item value={EVERYTHING}>{t("payments.all")}</Select.Item>
        <Select.Separator />
        {PAYMENT_KINDS.map((kind) => (
          <Select.Item key={kind} value={`kind:${kind}`}>
            {t(`kinds.${kind}`)}
          </Select.Item>
        ))}
        <Select.Separator />
        <Select.Group>
          <Select.Label>{t("payments.state")}</Select.Label>
          {PAYMENT_STATES.map((state) => (
            <Select.Item key={state} value={`state:${state}`}>
              {stateName(state)}
            </Select.Item>
          ))}
        </Select.Group>
      </Select.Content>
    </Select>
  )
}

interface PagesProps extends SearchProps {
  data: { count: number; count_is_capped: boolean; next: number | null }
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
    const isSame = next.q === search.q && next.kind === search.kind && next.status?.[0] === search.status?.[0]
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
    column.display({
      id: "select",
      header: ({ table }) => (
        <Checkbox
          aria-label={t("payments.selectAll")}
          checked={table.getIsSomePageRowsSelected() ? "indeterminate" : table.getIsAllPageRowsSelected()}
          onCheckedChange={(checked) => table.toggleAllPageRowsSelected(Boolean(checked))}
        />
      ),
      cell: ({ row }) => (
        <Checkbox
          aria-label={t("payments.select", { id: row.original.id })}
          checked={row.getIsSelected()}
          disabled={!row.getCanSelect()}
          onClick={(event) => event.stopPropagation()}
          onCheckedChange={(checked) => row.toggleSelected(Boolean(checked))}
        />
      ),
    }),
    column.accessor("status", {
      header: t("payments.state"),
      cell: ({ getValue }) => <StateBadge state={getValue()} />,
    }),
    column.accessor("amount", {
      header: t("payments.amount"),
      cell: ({ row: { original } }) => (
        <span className="whitespace-nowrap tabular-nums">{money(original.amount, original.currency)}</span>
      ),
    }),
    column.accessor("order_number", {
      header: t("payments.order"),
      cell: ({ getValue }) => getValue() ?? "–",
    }),
    column.accessor("email", {
      header: t("payments.buyer"),
      cell: ({ row }) => row.original.email ?? row.original.name ?? "–",
    }),
    column.accessor("created", {
      header: t("payments.paid"),
      cell: ({ row: { original } }) => <span className="whitespace-nowrap">{time(original.created)}</span>,
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

function useCommands(ask: (action: PaymentAction, ids: string[]) => void) {
  const { t } = useWords()
  return (Object.keys(SHORTCUTS) as PaymentAction[]).map((action) =>
    command.command({
      label: t(`actions.${action}.name`),
      shortcut: SHORTCUTS[action],
      action: (selection) => ask(action, Object.keys(selection)),
    }),
  )
}

// Medusa reads these from the source, so they are written out.
export const config = defineRouteConfig({ label: "nav", translationNs: "holdfast", icon: CurrencyDollar })

export const handle = { breadcrumb: () => "Stripe" }
