import { StatusBadge, Tooltip } from "@medusajs/ui"
import type { PaymentState } from "../payments/states"
import { useWords } from "./words"

type Color = "green" | "red" | "blue" | "orange" | "grey" | "purple"

/** Red: a person is wanted. Orange: on its way. Green: paid and placed. Purple: money went back. */
const COLORS: Record<PaymentState, Color> = {
  pending: "orange",
  lookup: "orange",
  awaiting_payment: "grey",
  completing: "orange",
  ordered: "orange",
  awaiting_capture: "blue",
  completed: "green",
  money_moved: "orange",
  refunding_rest: "orange",
  disputed: "red",
  refunding: "orange",
  refunded: "purple",
  canceled: "purple",
  void: "grey",
  ignored: "grey",
  review: "red",
  dismissed: "grey",
}

export function StateBadge({ state }: { state: PaymentState }) {
  const { stateName, stateText } = useWords()
  return (
    <Tooltip content={stateText(state)}>
      <StatusBadge color={COLORS[state]} className="whitespace-nowrap">
        {stateName(state)}
      </StatusBadge>
    </Tooltip>
  )
}
