/** Pass files of libpq (PostgreSQL documentation, section "The Password File"). Pure. */
import { defaultSocketDirectory, type Host } from "./postgres-url.ts";

/** Directories of sockets for which a pass file says `localhost`. */
const localDirectories = [defaultSocketDirectory, "/run/postgresql", "/tmp"];

export interface Login {
  readonly user: string;
  readonly database: string;
}

/** The password of the first line that fits; undefined if none does. */
export function passwordIn(text: string, { host, port }: Host, login: Login): string | undefined {
  const name = localDirectories.includes(host) ? "localhost" : host;
  const wanted = [name, String(port), login.database, login.user];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#")) continue;
    const fields = fieldsOf(line);
    const password = fields[4];
    const fits = wanted.every((value, at) => fields[at]?.raw === "*" || fields[at]?.value === value);
    if (password !== undefined && fits) return password.value;
  }
  return undefined;
}

/**
 * Splits at colons; a backslash takes the meaning from a colon and from a backslash. The fifth is the rest.
 */
function fieldsOf(line: string): { raw: string; value: string }[] {
  const fields: string[] = [];
  let field = "";
  for (let at = 0; at < line.length; at++) {
    const character = line.charAt(at);
    if (character === ":" && fields.length < 4) {
      fields.push(field);
      field = "";
    } else field += character === "\\" ? character + line.charAt(++at) : character;
  }
  return [...fields, field].map((raw) => ({ raw, value: raw.replace(/\\(.)/g, "$1") }));
}
