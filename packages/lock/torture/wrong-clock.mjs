// Loaded before a worker: its wall clock is wrong by hours, and jumps. No code may trust it.
const hours = Number(process.env.HOLDFAST_CLOCK_OFF_HOURS)
const Right = Date
const started = Right.now()
const wrong = () => {
  const right = Right.now()
  // Another hour off every second, forth and back.
  const jump = Math.floor((right - started) / 1_000) % 2
  return right + (hours + jump) * 3_600_000
}

globalThis.Date = class WrongDate extends Right {
  constructor(...given) {
    if (given.length === 0) super(wrong())
    else super(...given)
  }
  static now() {
    return wrong()
  }
}
