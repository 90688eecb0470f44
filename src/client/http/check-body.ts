import { type Route, type RouteName, routes } from "../../contract/routes.ts";
import { wording } from "../../contract/wording.ts";
import { SessiondError } from "../../error.ts";

/** The checks that the daemon makes of the body of a request. @throws SessiondError `invalid_request` */
export function checkBody(name: RouteName, body: unknown): void {
  const { body: rule }: Route = routes[name];
  const result = rule?.schema.safeParse(body, { error: wording });
  if (result?.error === undefined) return;
  const issues = result.error.issues.map(({ path, message }) => ({ path: pathText(path), message }));
  const [first] = issues;
  throw new SessiondError("invalid_request", `${first?.path ?? "input"}: ${first?.message}`, { issues });
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`;
    return text === "" ? String(key) : `${text}.${String(key)}`;
  }, "");
}
