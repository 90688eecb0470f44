// A shared worker in a process of its own: claims five files, says what the daemon says, and waits to be
// killed.
import { connect } from "node:net";
import { createInterface } from "node:readline";

const [socketPath, id] = process.argv.slice(2);
const socket = connect(socketPath);
socket.write(
  `GET /v1/sessions/${id}/attach?shared=true&worker=process HTTP/1.1\r\nHost: x\r\n` +
    'Connection: Upgrade\r\nUpgrade: sessiond-channel/1\r\n\r\n{"type":"claim","seq":1,"count":5}\n',
);
createInterface({ input: socket }).on("line", (line) => {
  if (line.startsWith("{")) process.stdout.write(`${line}\n`);
});
