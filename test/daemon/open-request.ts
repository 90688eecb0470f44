import { request } from "node:http";

/** A request whose body is sent in parts, each of which is with the daemon when `send` resolves. */
export function openRequest(socketPath: string, length: number) {
  const outgoing = request({
    socketPath,
    method: "POST",
    path: "/v1/sessions",
    agent: false,
    headers: { "content-type": "application/json", "content-length": length },
  });
  const reply = new Promise<object>((resolve, reject) => {
    outgoing.on("error", reject);
    outgoing.on("response", ({ statusCode: status, headers }) => {
      outgoing.destroy();
      resolve({ status, connection: headers.connection });
    });
  });
  // Not every test waits for it.
  reply.catch(() => {});
  return { reply, send: (part: string) => new Promise((sent) => outgoing.write(part, sent)) };
}
