import type Stripe from "stripe"
import { badParam } from "./errors.js"

/** Reads one parameter as it came in the form: `undefined` is absent, and an empty string unsets. */
export type Reader<T> = (value: unknown, name: string) => T
export type Shape = Record<string, Reader<unknown>>
export type Params<S extends Shape> = { [K in keyof S]: ReturnType<S[K]> }

/**
 * Reads a form by its shape. A parameter that the shape doesn't name is refused, as Stripe does: a test double
 * that ignored it would let a test pass that means nothing.
 */
export function readParams<S extends Shape>(shape: S, form: unknown, name = ""): Params<S> {
  const given = form as Record<string, unknown>
  const full = (key: string) => (name ? `${name}[${key}]` : key)
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(shape, key)) {
      throw badParam(`Received unknown parameter: ${full(key)}`, full(key), "parameter_unknown")
    }
  }
  return Object.fromEntries(
    Object.entries(shape).map(([key, read]) => [key, read(given[key], full(key))]),
  ) as Params<S>
}

export function required<T>(read: Reader<T>): Reader<NonNullable<T>> {
  return (value, name) => {
    if (value === undefined) throw badParam(`Missing required param: ${name}.`, name, "parameter_missing")
    const result = read(value, name)
    if (result === null || result === undefined) {
      throw badParam(`You passed an empty string for '${name}'.`, name, "parameter_invalid_empty")
    }
    return result as NonNullable<T>
  }
}

export const text: Reader<string | null | undefined> = (value, name) => {
  if (value === undefined) return undefined
  if (typeof value !== "string") throw badParam(`Invalid string: ${JSON.stringify(value)}`, name)
  return value === "" ? null : value
}

export const integer: Reader<number | undefined> = (value, name) => {
  if (value === undefined) return undefined
  if (typeof value !== "string" || !/^-?\d{1,15}$/.test(value)) {
    throw badParam(`Invalid integer: ${value}`, name, "parameter_invalid_integer")
  }
  return Number(value)
}

export const positive: Reader<number | undefined> = (value, name) => {
  const result = integer(value, name)
  if (result !== undefined && result < 1) {
    throw badParam("This value must be greater than or equal to 1.", name, "parameter_invalid_integer")
  }
  return result
}

export const notNegative: Reader<number | undefined> = (value, name) => {
  const result = integer(value, name)
  if (result !== undefined && result < 0) {
    throw badParam("This value must be greater than or equal to 0.", name, "parameter_invalid_integer")
  }
  return result
}

/** A percentage such as `25.5`. */
export const percentage: Reader<number | undefined> = (value, name) => {
  if (value === undefined) return undefined
  const result = typeof value === "string" && /^\d{1,3}(\.\d+)?$/.test(value) ? Number(value) : Number.NaN
  if (!(result >= 0 && result <= 100)) throw badParam(`Invalid percentage: ${value}`, name)
  return result
}

export const boolean: Reader<boolean | undefined> = (value, name) => {
  if (value === undefined) return undefined
  if (value !== "true" && value !== "false") throw badParam(`Invalid boolean: ${value}`, name)
  return value === "true"
}

export function oneOf<const T extends string>(...choices: T[]): Reader<T | undefined> {
  return (value, name) => {
    if (value === undefined) return undefined
    if (!choices.includes(value as T)) {
      throw badParam(`Invalid ${name}: must be one of ${choices.join(", ")}`, name)
    }
    return value as T
  }
}

/** Whether a price has its tax in it. */
export const taxBehavior = oneOf("exclusive", "inclusive", "unspecified")

export function list<T>(read: Reader<T>): Reader<NonNullable<T>[] | undefined> {
  return (value, name) => {
    if (value === undefined) return undefined
    if (value === "") return []
    if (typeof value !== "object") throw badParam("Invalid array", name)
    return Object.values(value as object).map((item, at) => required(read)(item, `${name}[${at}]`))
  }
}

export function nested<S extends Shape>(shape: S): Reader<Params<S> | null | undefined> {
  return (value, name) => {
    if (value === undefined) return undefined
    if (value === "") return null
    if (typeof value !== "object") throw badParam("Invalid object", name)
    return readParams(shape, value, name)
  }
}

/** Kept as it came: for what local Stripe takes along without acting on it. */
export const anything: Reader<unknown> = (value) => value

const CURRENCIES = new Set(Intl.supportedValuesOf("currency").map((code) => code.toLowerCase()))

export const currency: Reader<string | undefined> = (value, name) => {
  if (value === undefined) return undefined
  const code = String(value).toLowerCase()
  if (!CURRENCIES.has(code)) throw badParam(`Invalid currency: ${value}.`, name)
  return code
}

/** Stripe's limits: 50 keys of up to 40 characters, values of up to 500. An empty value removes its key. */
export const metadata: Reader<Stripe.Metadata | null | undefined> = (value, name) => {
  if (value === undefined) return undefined
  if (value === "") return null
  const entries = Object.entries(value as Record<string, unknown>)
  for (const [key, item] of entries) {
    if (key.length > 40) throw badParam("Metadata keys can have up to 40 characters.", `${name}[${key}]`)
    if (typeof item !== "string") throw badParam("Metadata values must be strings.", `${name}[${key}]`)
    if (item.length > 500) {
      const message = `Metadata values can have up to 500 characters, but you passed in a value that is ${item.length} characters.`
      throw badParam(message, `${name}[${key}]`)
    }
  }
  return Object.fromEntries(entries) as Stripe.Metadata
}

/** Takes over what was given; what is absent stays as it is. */
export function assignGiven<T extends object>(object: T, changes: Partial<Record<keyof T, unknown>>): void {
  for (const [key, value] of Object.entries(changes)) {
    if (value !== undefined) object[key as keyof T] = value as T[keyof T]
  }
}

/** What an object's metadata becomes: given keys are merged, empty ones removed, `null` clears all. */
export function mergeMetadata(
  old: Stripe.Metadata,
  given: Stripe.Metadata | null | undefined,
): Stripe.Metadata {
  if (given === undefined) return old
  const merged = given === null ? {} : { ...old, ...given }
  if (Object.keys(merged).length > 50) throw badParam("Metadata can have up to 50 keys.", "metadata")
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== ""))
}

const addressShape = {
  city: text,
  country: text,
  line1: text,
  line2: text,
  postal_code: text,
  state: text,
}

export const address: Reader<Stripe.Address | null | undefined> = (value, name) => {
  const given = nested(addressShape)(value, name)
  return given && addressOf(given)
}

function addressOf(given: Params<typeof addressShape>): Stripe.Address {
  const { city, country, line1, line2, postal_code, state } = given
  return {
    city: city ?? null,
    country: country ?? null,
    line1: line1 ?? null,
    line2: line2 ?? null,
    postal_code: postal_code ?? null,
    state: state ?? null,
  }
}

const shippingShape = {
  address: required(address),
  name: required(text),
  carrier: text,
  phone: text,
  tracking_number: text,
}

/** A shipping address with its name, as payment intents and customers carry it. */
export const shipping = nested(shippingShape)
export type Shipping = NonNullable<ReturnType<typeof shipping>>
