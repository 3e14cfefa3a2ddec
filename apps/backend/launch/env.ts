import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"

// Imported before anything that reads the environment.
const file = fileURLToPath(new URL("../../../.env", import.meta.url))
if (existsSync(file)) process.loadEnvFile(file)
for (const [name, value] of Object.entries(process.env)) if (value === "") delete process.env[name]
