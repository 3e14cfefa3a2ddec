import { createConnection } from "node:net"

/** Sends one command to the server at `port`. Returns the reply as it came over the wire. Throws an error reply. */
export function say(port: number, command: readonly string[]): Promise<string> {
  const encode = (words: readonly string[]) =>
    `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`
  return new Promise((resolve, reject) => {
    let reply = ""
    // After QUIT the server closes the connection, which marks the reply's end.
    const socket = createConnection({ port, host: "127.0.0.1" }, () =>
      socket.write(encode(command) + encode(["QUIT"])),
    )
    socket.setEncoding("utf8")
    socket.on("data", (chunk) => (reply += chunk))
    socket.on("error", reject)
    socket.on("close", () => {
      if (reply.startsWith("-") || reply === "")
        reject(new Error(reply.trim() || "The server closed the connection"))
      else resolve(reply.replace(/\+OK\r\n$/, ""))
    })
  })
}
