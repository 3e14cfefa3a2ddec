import { createConnection } from "node:net"

/** Sends one command to the server at `port`. Returns the reply as it came over the wire. Throws an error reply. */
export function say(port: number, command: readonly string[]): Promise<string> {
  const words = command.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
  return new Promise((resolve, reject) => {
    let reply = ""
    // The server answers, then finds our end of the connection closed and closes its own: the reply is complete.
    const socket = createConnection({ port, host: "127.0.0.1" }, () =>
      socket.end(`*${words.length}\r\n${words.join("")}`),
    )
    socket.setEncoding("utf8")
    socket.on("data", (chunk) => (reply += chunk))
    socket.on("error", reject)
    socket.on("close", () => {
      if (/^[^-]/.test(reply)) resolve(reply)
      else reject(new Error(reply.trim() || "The server closed the connection"))
    })
  })
}
