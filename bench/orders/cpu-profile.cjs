// Loaded first into the shop: SIGUSR2 starts a CPU profile, and the next one writes it to BENCH_CPU_PROFILE.
const { writeFileSync } = require("node:fs")
const { Session } = require("node:inspector")

const session = new Session()
session.connect()
let isRunning = false

process.on("SIGUSR2", () => {
  isRunning = !isRunning
  if (isRunning) {
    session.post("Profiler.enable")
    session.post("Profiler.setSamplingInterval", { interval: 500 })
    session.post("Profiler.start")
  } else {
    session.post("Profiler.stop", (error, result) => {
      if (!error) writeFileSync(process.env.BENCH_CPU_PROFILE, JSON.stringify(result.profile))
    })
  }
})
