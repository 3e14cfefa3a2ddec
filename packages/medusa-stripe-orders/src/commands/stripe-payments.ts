import type { ExecArgs } from "@medusajs/framework/types"
import type StripeOrdersModuleService from "../modules/stripe-orders/service"
import { STRIPE_ORDERS_MODULE } from "../plugin"
import { type Command, HELP, parseCommand, typedArguments, UsageError } from "./parse"
import { paymentLine, paymentPage, reportPage } from "./print"

/** For `medusa exec`: payments on the command line, without the shop running. What is taken up, its workers carry on. */
export default async function stripePayments({ container, args }: ExecArgs): Promise<void> {
  const stripeOrders: StripeOrdersModuleService = container.resolve(STRIPE_ORDERS_MODULE)
  try {
    await run(stripeOrders, parseCommand(typedArguments(process.argv, args)))
  } catch (error) {
    if (!(error instanceof UsageError)) {
      throw error
    }
    console.error(`${error.message}\n--help tells more`)
    process.exitCode = 1
  }
}

async function run(stripeOrders: StripeOrdersModuleService, command: Command): Promise<void> {
  switch (command.name) {
    case "help":
      return console.log(HELP)
    case "list":
      return await list(stripeOrders, command)
    case "show":
      return await show(stripeOrders, command)
    case "retry":
      return await retry(stripeOrders, command)
    case "dismiss":
      return await dismiss(stripeOrders, command)
    case "reconcile":
      return await reconcile(stripeOrders, command)
  }
}

type Of<Name extends Command["name"]> = Extract<Command, { name: Name }>

async function list(stripeOrders: StripeOrdersModuleService, command: Of<"list">): Promise<void> {
  const { status, reason, q, limit, json } = command
  const found = await stripeOrders.search({ states: status, reason, q, limit })
  const text = [...found.stripe_payments.map(paymentLine), `${found.count} in all`].join("\n")
  print(json, found, text)
}

async function show(stripeOrders: StripeOrdersModuleService, { ids, json }: Of<"show">): Promise<void> {
  const payments = await stripeOrders.views(ids)
  const pages = await Promise.all(
    payments.map(async (payment) => ({ payment, timeline: await stripeOrders.timeline(payment.id) })),
  )
  print(
    json,
    { stripe_payments: pages.map(({ payment, timeline }) => ({ ...payment, timeline })) },
    pages.map(({ payment, timeline }) => paymentPage(payment, timeline)).join("\n\n"),
  )
  const unknown = ids.filter((id) => !payments.some((payment) => payment.id === id))
  if (unknown.length > 0) {
    throw new UsageError(`There is no Stripe payment ${unknown.join(", ")}`)
  }
}

async function retry(stripeOrders: StripeOrdersModuleService, command: Of<"retry">): Promise<void> {
  const { which, person, json } = command
  const retried = await stripeOrders.retry(which, person)
  print(json, { retried }, [...retried, `${retried.length} taken up again`].join("\n"))
  const left = Array.isArray(which) ? which.filter((id) => !retried.includes(id)) : []
  if (left.length > 0) {
    throw new UsageError(`Not in review, and left as they are: ${left.join(", ")}`)
  }
}

async function dismiss(stripeOrders: StripeOrdersModuleService, command: Of<"dismiss">): Promise<void> {
  const { ids, reason, person, json } = command
  const dismissed = await stripeOrders.dismiss(ids, reason, person)
  print(json, { dismissed }, [...dismissed, `${dismissed.length} dismissed`].join("\n"))
  const left = ids.filter((id) => !dismissed.includes(id))
  if (left.length > 0) {
    throw new UsageError(`Not in review, and left as they are: ${left.join(", ")}`)
  }
}

async function reconcile(stripeOrders: StripeOrdersModuleService, command: Of<"reconcile">): Promise<void> {
  const { since, until, person, json } = command
  const report = await stripeOrders.reconcile({
    since,
    until,
    person,
    onProgress: ({ listed, findings }) => console.error(`${listed} payments, ${findings.length} findings`),
  })
  print(json, report, reportPage(report))
}

function print(json: boolean, value: unknown, text: string): void {
  console.log(json ? JSON.stringify(value, null, 2) : text)
}
