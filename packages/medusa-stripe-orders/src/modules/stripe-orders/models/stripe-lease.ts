import { model } from "@medusajs/framework/utils"

/** Which worker decides for the whole shop, and which workers live. A lease ends by itself unless it is renewed. */
const StripeLease = model.define("stripe_lease", {
  id: model.text().primaryKey(),
  holder: model.text(),
  expires_at: model.dateTime(),
})

export default StripeLease
