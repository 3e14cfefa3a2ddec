// Loaded first into each Medusa process: when the launcher is gone, even after a crash, the process ends as on
// SIGTERM, and after 5 s in any case.
process.once("disconnect", () => {
  process.kill(process.pid, "SIGTERM")
  setTimeout(() => process.exit(1), 5_000).unref()
})
