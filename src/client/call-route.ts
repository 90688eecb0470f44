/** Calls one row of the route table: parameters, conditions, and whether the request may be repeated. */
import type { Body, QueryKeys, Reply, RequeueBody, Route, RouteName } from "../contract/routes.ts";
import { routes } from "../contract/routes.ts";
import { SessiondError } from "../error.ts";
import { rememberTag, tagOf } from "./entity-tags.ts";
import type { HttpTransport } from "./http/http.ts";
import type { Patience } from "./http/patience.ts";
import { successBody } from "./http/reply.ts";
import type { SaveOptions } from "./options.ts";

export interface Call<Name extends RouteName> {
  params?: Readonly<Record<string, string>>;
  query?: { readonly [Key in QueryKeys<Name>]?: unknown };
  body?: Body<Name>;
}

/** The changes that have the same effect if the daemon makes them twice. */
const repeatableChanges: ReadonlySet<RouteName> = new Set<RouteName>([
  "saveSession",
  "checkpointSession",
  "reportProgress",
  "editSession",
]);

/** Whether a call may be made again if nobody knows whether the daemon has carried it out. */
function isRepeatable<Name extends RouteName>(
  name: Name,
  { body }: Call<Name>,
  { ifUnchanged, ifAbsent }: SaveOptions,
): boolean {
  if (routes[name].method === "GET") return true;
  // With a condition, the second of two equal requests would fail because of the first.
  if (ifUnchanged !== undefined || ifAbsent) return false;
  // With a time, what has run since the first of two equal requests is left alone by the second.
  const hasTime = name === "requeueFiles" && (body as RequeueBody).unless_finished_since !== undefined;
  return hasTime || repeatableChanges.has(name);
}

/**
 * With patience, the call waits for a daemon that is gone.
 *
 * @throws SessiondError, ConnectionError, the signal's reason
 */
export function callRoute<Name extends RouteName>(
  transport: HttpTransport,
  name: Name,
  call: Call<Name>,
  options: SaveOptions = {},
  patience?: Patience,
): Promise<Reply<Name>> {
  const once = () => callOnce(transport, name, call, options);
  if (patience === undefined) return once();
  return patience.call(once, { repeatable: isRepeatable(name, call, options), signal: options.signal });
}

async function callOnce<Name extends RouteName>(
  transport: HttpTransport,
  name: Name,
  call: Call<Name>,
  options: SaveOptions,
): Promise<Reply<Name>> {
  const { ifUnchanged, ifAbsent, signal, timeoutMs } = options;
  // Whoever still gives it must not overwrite what it was to protect.
  if ("ifRevision" in options)
    throw new SessiondError("invalid_request", "ifRevision is gone: give what you read as ifUnchanged");
  const route: Route = routes[name];
  const reply = await transport.request(route, {
    ...call,
    signal,
    timeoutMs,
    headers: {
      ...(ifUnchanged === undefined ? {} : { "if-match": tagOf(ifUnchanged) }),
      ...(ifAbsent ? { "if-none-match": "*" } : {}),
    },
    repeatable: isRepeatable(name, call, options),
  });
  const body = successBody(reply) as Reply<Name>;
  rememberTag(body, reply.headers.etag);
  return body;
}
