import pg from "pg"

export interface SeededVariant {
  id: string
  sku: string
  inventoryItemId: string
  /** How many of the inventory item one unit of the variant takes. */
  takes: number
}

export interface SeededRegion {
  id: string
  currency: string
  countries: string[]
}

/** The ids in a seeded shop, which differ from database to database. */
export interface Seeded {
  publishableKey: string
  salesChannelId: string
  locationId: string
  shippingOptionId: string
  /** By currency: usd, eur, jpy. */
  regions: Record<string, SeededRegion>
  /** By SKU, as in src/seed/catalog.ts. */
  variants: Record<string, SeededVariant>
}

export async function readSeeded(databaseUrl: string): Promise<Seeded> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  const rows = async <T>(sql: string) => (await client.query(sql)).rows as T[]
  try {
    const [ids] = await rows<Omit<Seeded, "regions" | "variants">>(`
      SELECT (SELECT token FROM api_key WHERE type = 'publishable' AND title = 'Web shop') AS "publishableKey",
             (SELECT id FROM sales_channel WHERE name = 'Web shop') AS "salesChannelId",
             (SELECT id FROM stock_location WHERE name = 'Quayside warehouse') AS "locationId",
             (SELECT id FROM shipping_option WHERE name = 'Standard shipping') AS "shippingOptionId"`)
    const regions = await rows<SeededRegion>(`
      SELECT r.id, r.currency_code AS currency, array_agg(c.iso_2 ORDER BY c.iso_2) AS countries
        FROM region r JOIN region_country c ON c.region_id = r.id
       WHERE r.name IN ('United States', 'Europe', 'Japan') GROUP BY r.id`)
    const variants = await rows<SeededVariant>(`
      SELECT v.id, v.sku, i.inventory_item_id AS "inventoryItemId", i.required_quantity AS takes
        FROM product_variant v JOIN product_variant_inventory_item i ON i.variant_id = v.id
       WHERE v.deleted_at IS NULL AND i.deleted_at IS NULL`)
    return {
      ...(ids as Omit<Seeded, "regions" | "variants">),
      regions: by("currency", regions),
      variants: by("sku", variants),
    }
  } finally {
    await client.end()
  }
}

function by<K extends string, T extends Record<K, string>>(key: K, rows: T[]): Record<string, T> {
  return Object.fromEntries(rows.map((row) => [row[key], row]))
}
