// Loaded into each Medusa process before anything else: when the launcher has gone, however it went, the
// process ends as on SIGTERM, and in any case soon.
process.once("disconnect", () => {
  process.kill(process.pid, "SIGTERM")
  setTimeout(() => process.exit(1), 5_000).unref()
})
