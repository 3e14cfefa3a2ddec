import { existsSync } from "node:fs"
import { AxeBuilder } from "@axe-core/playwright"
import { type Browser, chromium, type Page } from "playwright-core"
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

/** A person in front of the shop's admin. */
export class Operator {
  private constructor(
    private readonly browser: Browser,
    readonly page: Page,
    private readonly url: string,
  ) {}

  static async logIn(
    url: string,
    { width = 1440, height = 900, dark, language = "en" }: View = {},
  ): Promise<Operator> {
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] })
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: dark ? "dark" : "light",
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
    page.setDefaultTimeout(20_000)
    await page.goto(`${url}/app/login`)
    await page.locator('input[name="email"]').fill(templateAdmin.email)
    await page.locator('input[name="password"]').fill(templateAdmin.password)
    await page.locator('button[type="submit"]').click()
    await page.waitForURL((at) => !at.pathname.endsWith("/login"))
    return new Operator(browser, page, url)
  }

  /** Opens a page of the admin, and waits until it has loaded. */
  async open(path: string): Promise<void> {
    await this.page.goto(`${this.url}/app${path}`)
    await this.page.getByRole("heading").first().waitFor()
  }

  /** What axe finds in the part of the page that is the plugin's: serious and critical only. */
  async seriousFindings(part = "main"): Promise<string[]> {
    const { violations } = await new AxeBuilder({ page: this.page }).include(part).analyze()
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 300)}`))
  }

  /** By how many pixels the page is wider than the screen. */
  async overflow(): Promise<number> {
    return await this.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
  }

  close(): Promise<void> {
    return this.browser.close()
  }
}
