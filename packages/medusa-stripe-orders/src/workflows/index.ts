export { withHoldOf } from "../medusa/cart-in-flow"
export * from "./create-order-from-stripe"
export * from "./hold-stock"
