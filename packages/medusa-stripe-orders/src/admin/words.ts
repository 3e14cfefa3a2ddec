import { useTranslation } from "react-i18next"
import { decimalsOf } from "../order-draft/decimals"
import type { PaymentState } from "../payments/states"
import { NAMESPACE } from "./i18n"

/** The pages' words, numbers and times, in the viewer's language and time zone. */
export function useWords() {
  const { t: translate, i18n } = useTranslation(NAMESPACE)
  const t = (key: string, values: Record<string, unknown> = {}) => translate(key, values) as string
  const language = i18n.language
  return {
    t,
    stateName: (state: PaymentState) => t(`states.${state}.0`),
    stateText: (state: PaymentState) => t(`states.${state}.1`),
    /** `amount` is in the currency's minor units. */
    money: (amount: number | null | undefined, currency: string | null | undefined) =>
      amount == null || !currency ? "–" : formatMinor(amount, currency, language),
    time: (at: string | null | undefined) =>
      at
        ? new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(at))
        : "–",
    exactTime: (at: string) =>
      new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" }).format(new Date(at)),
  }
}

function formatMinor(amount: number, currency: string, language: string): string {
  const format = new Intl.NumberFormat(language, { style: "currency", currency })
  return format.format(amount / 10 ** decimalsOf(currency))
}
