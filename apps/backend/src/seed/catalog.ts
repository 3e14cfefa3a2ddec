/** Prices are in the currency's main unit: yen have no smaller one. */
export interface Price {
  usd: number
  eur: number
  jpy: number
}

export interface VariantSeed {
  sku: string
  title: string
  price: Price
  /** Units in stock; a variant with `contains` has no inventory item of its own. */
  stock?: number
  contains?: { sku: string; quantity: number }
}

export interface ProductSeed {
  handle: string
  title: string
  option: string
  description: string
  variants: VariantSeed[]
}

/** The variant that nearly all buyers of the sale want. */
export const HOT_SKU = "LANTERN-FIRST"

export const catalog: ProductSeed[] = [
  {
    handle: "storm-lantern",
    title: "Storm Lantern",
    option: "Edition",
    description: "Brass, numbered, and there are only twenty of the first edition.",
    variants: [
      { sku: HOT_SKU, title: "First edition", price: { usd: 120, eur: 110, jpy: 18000 }, stock: 20 },
      { sku: "LANTERN-STANDARD", title: "Standard", price: { usd: 48, eur: 44.5, jpy: 7200 }, stock: 1000 },
    ],
  },
  {
    handle: "deck-shirt",
    title: "Deck Shirt",
    option: "Size",
    description: "Heavy cotton, striped.",
    variants: ["S", "M", "L"].map((size) => ({
      sku: `SHIRT-${size}`,
      title: size,
      price: { usd: 29.95, eur: 26.95, jpy: 4200 },
      stock: 1000,
    })),
  },
  {
    handle: "galley-mug",
    title: "Galley Mug",
    option: "Size",
    description: "Enamelled steel.",
    variants: [{ sku: "MUG", title: "0.4 l", price: { usd: 14.5, eur: 12.99, jpy: 1900 }, stock: 1000 }],
  },
  {
    handle: "galley-mug-pair",
    title: "Pair of Galley Mugs",
    option: "Size",
    description: "Two mugs from the same shelf as the single one.",
    variants: [
      {
        sku: "MUG-PAIR",
        title: "2 x 0.4 l",
        price: { usd: 26, eur: 23.5, jpy: 3500 },
        contains: { sku: "MUG", quantity: 2 },
      },
    ],
  },
]

export const regions = [
  { name: "United States", currency: "usd", countries: ["us"], taxRate: 0 },
  { name: "Europe", currency: "eur", countries: ["de", "fr", "nl"], taxRate: 19 },
  { name: "Japan", currency: "jpy", countries: ["jp"], taxRate: 10 },
] as const

export const shipping = { name: "Standard shipping", price: { usd: 5, eur: 4.9, jpy: 600 } satisfies Price }
