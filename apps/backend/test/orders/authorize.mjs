/** A script of the store, for `medusa exec`: authorizes a payment session through Medusa's Payment Module. */
export default async function authorize({ container, args }) {
  await container.resolve("payment").authorizePaymentSession(args[0], {})
}
