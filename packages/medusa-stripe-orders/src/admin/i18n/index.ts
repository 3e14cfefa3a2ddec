import { de } from "./de"
import { en } from "./en"

/** The namespace of the pages' words, beside Medusa's own. */
export const NAMESPACE = "holdfast"

export default { en: { [NAMESPACE]: en }, de: { [NAMESPACE]: de } }
