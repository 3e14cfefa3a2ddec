#!/usr/bin/env node
import { main } from "./cli/main.js"

// The reader of the output may close it early: `holdfast-lock list | head -3`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error
  process.exit(0)
})

main(process.argv.slice(2)).then((status) => {
  process.exitCode = status
})
