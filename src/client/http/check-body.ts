/** The checks that the daemon makes of request bodies, for requests that do not go through a daemon. */
import { type Route, type RouteName, routes } from "../../contract/routes.ts";
import { invalid, issuesOf, wording } from "../../contract/wording.ts";

/** @throws SessiondError `invalid_request` */
export function checkBody(name: RouteName, body: unknown): void {
  const { body: rule }: Route = routes[name];
  const result = rule?.schema.safeParse(body, { error: wording });
  if (result?.error !== undefined) throw invalid("body", issuesOf(result.error));
}
