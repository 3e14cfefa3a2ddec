import { iso31662 } from "iso-3166"

/** ISO 3166-2 codes by country: each by its last part and by its name, `me` and `maine` → `us-me`. */
const provinces = new Map<string, Map<string, string>>()
for (const { code, name } of iso31662) {
  const [country = "", part = ""] = code.toLowerCase().split("-")
  const known = provinces.get(country) ?? new Map<string, string>()
  known.set(part, code.toLowerCase())
  known.set(plain(name), code.toLowerCase())
  provinces.set(country, known)
}

/**
 * A state or province as Medusa's tax regions name it: ISO 3166-2 in lower case. Stripe has `ME` in the US, and in some
 * countries the name. What is no such thing stays as it was given.
 *
 * @param country two letters, lower case
 */
export function provinceOf(
  country: string | undefined,
  state: string | null | undefined,
): string | undefined {
  if (!state) {
    return undefined
  }
  const given = plain(state)
  const part = given.startsWith(`${country}-`) ? given.slice(3) : given
  return provinces.get(country ?? "")?.get(part) ?? state
}

/** Without accents and case: Stripe has `Arunachal Pradesh`, the standard `Arunāchal Pradesh`. */
function plain(name: string): string {
  return name
    .normalize("NFD")
    .replace(/\p{Diacritic}/gu, "")
    .trim()
    .toLowerCase()
}
