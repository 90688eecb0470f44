// A worker in a process of its own: attaches, reports its first file, says so, and waits to be killed.
import { WebSocket } from "ws";

const [socketPath, id] = process.argv.slice(2);
const socket = new WebSocket(`ws+unix:${socketPath}:/v1/sessions/${id}/attach?worker=process`);
socket.on("message", (data) => {
  const message = JSON.parse(data.toString());
  if (message.type === "attached") {
    socket.send(
      JSON.stringify({ type: "progress", seq: 1, processed: message.session.pending_files.slice(0, 1) }),
    );
  } else {
    process.stdout.write(`${JSON.stringify(message)}\n`);
  }
});
