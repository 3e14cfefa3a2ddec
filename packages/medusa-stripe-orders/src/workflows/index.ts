export * from "./create-order-from-stripe"
