import type Stripe from "stripe"

/** What becomes of a debit once the bank has answered. */
export type DebitOutcome =
  | { kind: "accept" }
  | { kind: "dispute"; reason?: string }
  | { kind: "hang" }
  | { kind: "fail"; failure: PaymentFailure }

export interface PaymentFailure {
  code: string
  message: string
}

export type DebitType = "sepa_debit" | "us_bank_account"

interface TestAccount {
  type: DebitType
  /** An IBAN, or a US account number. */
  number: string
  outcome: DebitOutcome
}

const ACCEPT: DebitOutcome = { kind: "accept" }
const DISPUTE: DebitOutcome = { kind: "dispute" }

function fail(code: string, message: string): DebitOutcome {
  return { kind: "fail", failure: { code, message } }
}

const REFUSED = fail("generic_could_not_process", "The bank could not process the payment.")
const FUNDS = fail("insufficient_funds", "The customer's account has insufficient funds.")
const VOLUME = fail("charge_exceeds_source_limit", "The payment exceeds the account's weekly volume limit.")
const WEEKLY = fail("charge_exceeds_weekly_limit", "The payment exceeds the account's transaction limit.")

// docs.stripe.com/payments/sepa-debit/accept-a-payment, "Test IBANs": `pm_success_de` and so on. The delayed ones take
// three minutes at Stripe; here every debit waits until the test settles it.
const IBANS: Record<string, { outcome: DebitOutcome; of: Record<string, string> }> = {
  success: {
    outcome: ACCEPT,
    of: {
      at: "AT611904300234573201",
      be: "BE62510007547061",
      de: "DE89370400440532013000",
      fr: "FR1420041010050500013M02606",
    },
  },
  successDelayed: {
    outcome: ACCEPT,
    of: {
      at: "AT321904300235473204",
      be: "BE78510007547064",
      de: "DE08370400440532013003",
      fr: "FR3020041010050500013M02609",
    },
  },
  failed: {
    outcome: REFUSED,
    of: {
      at: "AT861904300235473202",
      be: "BE68539007547034",
      de: "DE62370400440532013001",
      fr: "FR8420041010050500013M02607",
    },
  },
  failedDelayed: {
    outcome: REFUSED,
    of: {
      at: "AT051904300235473205",
      be: "BE51510007547065",
      de: "DE78370400440532013004",
      fr: "FR7920041010050500013M02600",
    },
  },
  disputed: {
    outcome: DISPUTE,
    of: {
      at: "AT591904300235473203",
      be: "BE08510007547063",
      de: "DE35370400440532013002",
      fr: "FR5720041010050500013M02608",
    },
  },
  exceedsWeeklyVolumeLimit: {
    outcome: VOLUME,
    of: {
      at: "AT981904300000343434",
      be: "BE90510000343434",
      de: "DE65370400440000343434",
      fr: "FR9720041010050000000343434",
    },
  },
  exceedsWeeklyTransactionLimit: {
    outcome: WEEKLY,
    of: {
      at: "AT601904300000121212",
      be: "BE52510000121212",
      de: "DE27370400440000121212",
      fr: "FR5920041010050000000121212",
    },
  },
  insufficientFunds: {
    outcome: FUNDS,
    of: {
      at: "AT981904300002222227",
      be: "BE90510002222227",
      de: "DE65370400440002222227",
      fr: "FR9720041010050000002222227",
    },
  },
}

// docs.stripe.com/payments/ach-direct-debit/accept-a-payment, "Test account numbers": `pm_usBankAccount_success`.
const US_ACCOUNTS: Record<string, [number: string, outcome: DebitOutcome]> = {
  success: ["000123456789", ACCEPT],
  accountClosed: ["000111111113", fail("account_closed", "The customer's bank account has been closed.")],
  noAccount: ["000111111116", fail("no_account", "The customer's bank account could not be located.")],
  insufficientFunds: ["000222222227", FUNDS],
  debitNotAuthorized: [
    "000333333335",
    fail("debit_not_authorized", "The customer has not authorized this debit."),
  ],
  invalidCurrency: [
    "000444444440",
    fail("invalid_currency", "The account can't be debited in this currency."),
  ],
  dispute: ["000555555559", DISPUTE],
  processing: ["000000000009", { kind: "hang" }],
  weeklyLimitExceeded: ["000777777771", VOLUME],
}

const ACCOUNTS: Record<string, TestAccount> = {}
for (const [name, { outcome, of }] of Object.entries(IBANS)) {
  for (const [country, number] of Object.entries(of)) {
    ACCOUNTS[`pm_${name}_${country}`] = { type: "sepa_debit", number, outcome }
  }
}
for (const [name, [number, outcome]] of Object.entries(US_ACCOUNTS)) {
  ACCOUNTS[`pm_usBankAccount_${name}`] = { type: "us_bank_account", number, outcome }
}

/** The account of one of Stripe's names, such as `pm_success_de` or `pm_usBankAccount_success`. */
export function testAccount(name: string): TestAccount | undefined {
  return ACCOUNTS[name]
}

/** The outcome of a debit, which is recognised by the type and the last four digits; any other account pays. */
export function debitOutcome(method: Stripe.PaymentMethod): DebitOutcome {
  const last4 = method.sepa_debit?.last4 ?? method.us_bank_account?.last4
  if (!last4) return ACCEPT
  const known = Object.values(ACCOUNTS).find(
    ({ type, number }) => type === method.type && number.endsWith(last4),
  )
  return known?.outcome ?? ACCEPT
}
