import { defineMiddlewares } from "@medusajs/framework/http"

/** Stripe's events are some kilobytes; a larger body is refused with 413 before it is read whole. */
const LARGEST_EVENT = "1mb"

export default defineMiddlewares({
  routes: [
    {
      matcher: "/hooks/stripe",
      methods: ["POST"],
      bodyParser: { preserveRawBody: true, sizeLimit: LARGEST_EVENT },
    },
  ],
})
