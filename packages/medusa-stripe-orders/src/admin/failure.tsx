import { ExclamationCircle } from "@medusajs/icons"
import { Button, Text } from "@medusajs/ui"
import { useWords } from "./words"

interface FailureProps {
  title: string
  error: Error
  onRetry: () => void
}

/** What could not be loaded, why, and a way to try it again. */
export function Failure({ title, error, onRetry }: FailureProps) {
  const { t } = useWords()
  return (
    <div role="alert" className="flex flex-col items-center gap-y-3 px-6 py-16 text-center">
      <ExclamationCircle className="text-ui-fg-subtle" />
      <Text size="small" weight="plus">
        {title}
      </Text>
      <Text size="small" className="text-ui-fg-subtle">
        {error.message}
      </Text>
      <Button size="small" variant="secondary" onClick={onRetry}>
        {t("payments.again")}
      </Button>
    </div>
  )
}
