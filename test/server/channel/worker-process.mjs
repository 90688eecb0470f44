// A worker in a process of its own: attaches, reports its first file, says so, and waits to be killed.
import { connect } from "node:net";
import { createInterface } from "node:readline";

const [socketPath, id] = process.argv.slice(2);
const socket = connect(socketPath);
socket.write(
  `GET /v1/sessions/${id}/attach?worker=process HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: sessiond-channel/1\r\n\r\n`,
);
createInterface({ input: socket }).on("line", (line) => {
  if (!line.startsWith("{")) return;
  const message = JSON.parse(line);
  if (message.type === "attached") {
    const processed = message.session.pending_files.slice(0, 1);
    socket.write(`${JSON.stringify({ type: "progress", seq: 1, processed })}\n`);
  } else {
    process.stdout.write(`${line}\n`);
  }
});
