import { Badge, Container, Heading, Text } from "@medusajs/ui"
import { type Line, usePeople } from "./stripe-payments"
import { useWords } from "./words"

/** Everything that happened to a payment, the newest first. */
export function Timeline({ lines }: { lines: Line[] }) {
  const { t, exactTime } = useWords()
  const nameOf = useNames(lines)
  return (
    <Container className="divide-y p-0">
      <Heading level="h2" className="px-6 py-4">
        {t("payment.timeline")}
      </Heading>
      {lines.length === 0 && (
        <Text size="small" className="text-ui-fg-subtle px-6 py-4">
          {t("payment.timelineEmpty")}
        </Text>
      )}
      <ol>
        {lines.toReversed().map((line, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines have no id, and are only added at one end
          <li key={lines.length - i} className="flex flex-col gap-y-1 px-6 py-3">
            <div className="flex flex-wrap items-center justify-between gap-2">
              <span className="flex items-center gap-x-2">
                <Badge size="2xsmall" color={line.kind === "action" ? "blue" : "grey"}>
                  {t(`kindsOfLines.${line.kind}`)}
                </Badge>
                <Text size="xsmall" className="text-ui-fg-subtle">
                  {nameOf(line.actor)}
                </Text>
              </span>
              <Text asChild size="xsmall" className="text-ui-fg-subtle">
                <time dateTime={line.at ?? undefined}>{exactTime(line.at)}</time>
              </Text>
            </div>
            <Text size="small" className="break-words">
              {line.text}
            </Text>
          </li>
        ))}
      </ol>
    </Container>
  )
}

/** A person's id as the name or address; a worker and Stripe as they are. */
function useNames(lines: Line[]): (actor: string) => string {
  const ids = [...new Set(lines.map(({ actor }) => actor).filter((actor) => actor.startsWith("user_")))]
  const { data } = usePeople(ids)
  const names = new Map(
    data?.users.map(({ id, email, first_name, last_name }) => [
      id,
      [first_name, last_name].filter(Boolean).join(" ") || email,
    ]),
  )
  return (actor) => names.get(actor) ?? actor
}
