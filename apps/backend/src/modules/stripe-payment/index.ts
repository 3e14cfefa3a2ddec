import { ModuleProvider, Modules } from "@medusajs/framework/utils"
import { LocalStripeProvider } from "./service"

export default ModuleProvider(Modules.PAYMENT, { services: [LocalStripeProvider] })
