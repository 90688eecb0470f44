/** Checks the query and the body of a request against its row of the route table. */
import { assertEachFileOnce } from "../../contract/requests.ts";
import type { Endpoint } from "../../contract/routes.ts";
import { invalid, issuesOf, unknownKey, wording } from "../../contract/wording.ts";
import { SessiondError } from "../../error.ts";
import { isJsonObject } from "../../json/exact-json.ts";

export type QueryValues = Readonly<Record<string, string | string[]>>;

/** Parses a query. The value of a key that is given more than once is a list. */
export function parseQuery(text: string): QueryValues {
  const values = new Map<string, string | string[]>();
  for (const [key, value] of new URLSearchParams(text)) {
    const earlier = values.get(key);
    values.set(key, earlier === undefined ? value : [earlier, value].flat());
  }
  return Object.fromEntries(values);
}

/** Returns the query as the route's schema converts it. @throws SessiondError `invalid_request` */
export function checkQuery(route: Endpoint, values: QueryValues): unknown {
  if (route.query === undefined) {
    const issues = Object.keys(values).map((key) => ({ path: key, message: unknownKey }));
    if (issues.length > 0) throw invalid("query", issues);
    return undefined;
  }
  const result = route.query.safeParse(values, { error: wording });
  if (result.success) return result.data;
  throw invalid(
    "query",
    issuesOf(result.error).map((issue) =>
      Array.isArray(values[issue.path]) ? { ...issue, message: "must be given only once" } : issue,
    ),
  );
}

/** Resolves with the body itself, not the output of the schema. @throws SessiondError `invalid_request` */
export async function checkBody(route: Endpoint, body: unknown): Promise<unknown> {
  if (route.body === undefined) {
    if (body === undefined || (isJsonObject(body) && Object.keys(body).length === 0)) return undefined;
    throw new SessiondError("invalid_request", `${route.method} ${route.path} takes no body`);
  }
  if (body === undefined) {
    if (route.body.optional) return undefined;
    throw new SessiondError("invalid_request", `${route.method} ${route.path} needs a JSON body`);
  }
  if (route.body.isGood?.(body)) return body;
  const result = route.body.schema.safeParse(body, { error: wording });
  if (!result.success) throw invalid("body", issuesOf(result.error));
  await assertEachFileOnce(route, body);
  return body;
}
