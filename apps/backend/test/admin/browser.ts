/// <reference lib="dom" />
import { existsSync } from "node:fs"
import { AxeBuilder } from "@axe-core/playwright"
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core"
import { templateAdmin } from "../../launch/template.ts"

/** Debian's, and where Ubuntu and others have it. */
const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
const executablePath = PLACES.find((path) => existsSync(path))

/** Why there are no browser tests here; undefined where there are. */
export const missing = executablePath ? undefined : "Chromium is not installed: apt-get install chromium"

export interface View {
  /** CSS pixels; by default a laptop's */
  width?: number
  height?: number
  dark?: boolean
  language?: string
}

type Cookies = Awaited<ReturnType<BrowserContext["storageState"]>>

/** An administrator who is logged in, in a browser of its own. */
export class Operator {
  private constructor(
    private readonly browser: Browser,
    private readonly url: string,
    private readonly storageState: Cookies,
  ) {}

  static async logIn(url: string): Promise<Operator> {
    // Chromium has no sandbox for root.
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] })
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.goto(`${url}/app/login`)
    await page.locator('input[name="email"]').fill(templateAdmin.email)
    await page.locator('input[name="password"]').fill(templateAdmin.password)
    await page.locator('button[type="submit"]').click()
    await page.waitForURL((at) => !at.pathname.endsWith("/login"))
    const { cookies } = await context.storageState()
    await context.close()
    // The language is in a cookie of its own.
    const session = cookies.filter(({ name }) => name === "connect.sid")
    return new Operator(browser, url, { cookies: session, origins: [] })
  }

  /** A page of the admin, when it has loaded. */
  async open(path: string, { width = 1440, height = 900, dark, language = "en" }: View = {}): Promise<Page> {
    const context = await this.browser.newContext({
      storageState: this.storageState,
      viewport: { width, height },
      timezoneId: "Europe/Berlin",
    })
    await context.addInitScript(
      ([language, theme]) => {
        localStorage.setItem("lng", language as string)
        localStorage.setItem("medusa_admin_theme", theme as string)
      },
      [language, dark ? "dark" : "light"],
    )
    const page = await context.newPage()
    await page.goto(`${this.url}/app${path}`)
    await page.locator("main").getByRole("heading").or(page.getByRole("alert")).first().waitFor()
    return page
  }

  close(): Promise<void> {
    return this.browser.close()
  }
}

/** What axe finds in the page's content: serious and critical only. */
export async function seriousFindings(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).include("main").analyze()
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 300)}`))
}

/** By how many pixels the page is wider than the screen. */
export async function overflow(page: Page): Promise<number> {
  return await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
}
