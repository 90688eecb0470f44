/**
 * A service with a limit, as a process of its own: a token bucket of 20 that is filled evenly with 20 a
 * second. Every call takes 100 ms. A call that finds no token is answered 429 with Retry-After in whole
 * seconds.
 *
 *     node limited-service.mjs SOCKET
 *
 * `GET /reset` fills the bucket; `GET /counts` tells how many calls were served and refused since then.
 */
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const size = 20;
const perSecond = 20;
const callMs = 100;

let tokens = size;
let filledMs = performance.now();
let counts = { served: 0, refused: 0 };

function fill() {
  const nowMs = performance.now();
  tokens = Math.min(size, tokens + ((nowMs - filledMs) * perSecond) / 1000);
  filledMs = nowMs;
}

async function call(response) {
  fill();
  const isServed = tokens >= 1;
  if (isServed) tokens--;
  counts[isServed ? "served" : "refused"]++;
  if (!isServed) response.setHeader("retry-after", Math.ceil((1 - tokens) / perSecond));
  await sleep(callMs);
  response.writeHead(isServed ? 200 : 429).end();
}

const server = createServer((request, response) => {
  response.setHeader("connection", "close");
  if (request.url === "/counts") response.end(JSON.stringify(counts));
  else if (request.url === "/reset") {
    tokens = size;
    filledMs = performance.now();
    counts = { served: 0, refused: 0 };
    response.end();
  } else void call(response);
});
server.listen(process.argv[2]);
