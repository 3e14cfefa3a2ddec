import { Button, Hint, Label, Prompt, Textarea, toast } from "@medusajs/ui"
import { useRef, useState } from "react"
import type { PaymentAction } from "../payments/actions"
import { type Done, useAct } from "./stripe-payments"
import { useWords } from "./words"

/** What is recorded with a reason of the person's own. */
const WITH_REASON: readonly PaymentAction[] = ["refund", "dismiss"]

interface ConfirmActionProps {
  action: PaymentAction
  ids: string[]
  /** it was done, or given up */
  onEnd: () => void
}

/** Asks before it is done, and says afterwards what was done and what was not. */
export function ConfirmAction({ action, ids, onEnd }: ConfirmActionProps) {
  const { t } = useWords()
  const tell = useTell(action)
  const { mutate, isPending } = useAct()
  const [reason, setReason] = useState("")
  const [isMissing, setMissing] = useState(false)
  // A second click comes before the button shows that it is at work.
  const wasSent = useRef(false)
  const wantsReason = WITH_REASON.includes(action)
  const count = ids.length

  const confirm = () => {
    if (wantsReason && !reason.trim()) {
      setMissing(true)
      return
    }
    if (wasSent.current) {
      return
    }
    wasSent.current = true
    mutate(
      { action, ids, ...(wantsReason && { reason: reason.trim() }) },
      {
        onSuccess: tell,
        onError: ({ message }) => toast.error(t("actions.failed"), { description: message }),
        onSettled: onEnd,
      },
    )
  }

  return (
    <Prompt
      open
      onOpenChange={(open) => !open && onEnd()}
      variant={action === "refund" ? "danger" : "confirmation"}
    >
      <Prompt.Content>
        <Prompt.Header>
          <Prompt.Title>{t(`actions.${action}.title`, { count })}</Prompt.Title>
          <Prompt.Description>{t(`actions.${action}.text`)}</Prompt.Description>
        </Prompt.Header>
        {wantsReason && (
          <div className="flex flex-col gap-y-2 px-6 pt-4">
            <Label htmlFor="holdfast-reason" size="small" weight="plus">
              {t("actions.reason")}
            </Label>
            <Textarea
              id="holdfast-reason"
              maxLength={1_000}
              value={reason}
              aria-invalid={isMissing}
              onChange={({ currentTarget }) => setReason(currentTarget.value)}
            />
            {isMissing && <Hint variant="error">{t("actions.reasonMissing")}</Hint>}
          </div>
        )}
        <Prompt.Footer>
          <Button size="small" variant="secondary" onClick={onEnd}>
            {t("actions.cancel")}
          </Button>
          <Button
            size="small"
            variant={action === "refund" ? "danger" : "primary"}
            isLoading={isPending}
            onClick={confirm}
          >
            {t(`actions.${action}.name`)}
          </Button>
        </Prompt.Footer>
      </Prompt.Content>
    </Prompt>
  )
}

function useTell(action: PaymentAction) {
  const { t, stateName } = useWords()
  return ({ done, not_done }: Done) => {
    const states = [
      ...new Set(not_done.map(({ status }) => (status ? stateName(status) : t("actions.unknown")))),
    ]
    const left =
      not_done.length > 0
        ? t("actions.notDone", { count: not_done.length, states: states.join(", ") })
        : undefined
    if (done.length > 0) {
      toast.success(t(`actions.${action}.done`, { count: done.length }), { description: left })
    } else {
      toast.warning(t("actions.failed"), { description: left })
    }
  }
}
