/**
 * The types of a handler: what it is given and what it returns, derived from its row of the route table.
 *
 * The room server/http/ owns what is the same for every request: checks, tags, pages, errors. It knows no
 * route.
 */
import type { Body, Query, Reply, RouteName, Routes } from "../../contract/routes.ts";
import type { SessionSummary } from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { Preconditions } from "./precondition.ts";

/** A handler returns this for a reply without a body. */
export const noBody = Symbol("no body");

export interface Call<Name extends RouteName> {
  method: string;
  params: { readonly [Param in ParamName<Routes[Name]["path"]>]: Param extends "id" ? SessionId : string };
  query: Query<Name>;
  /** The body as it was parsed. The schema has checked it and changed nothing. */
  body: Routes[Name] extends { body: { optional: boolean } } ? Body<Name> | undefined : Body<Name>;
  /** The body as its sender wrote it, if it is short. */
  text: Buffer | undefined;
  preconditions: Preconditions;
  /** Sets the ETag of the reply: the state of the session. */
  tag(summary: SessionSummary): void;
  header(name: string, value: string): void;
  status(status: number): void;
}

export type Handler<Name extends RouteName> = (
  call: Call<Name>,
) => Reply<Name> | typeof noBody | Promise<Reply<Name> | typeof noBody>;

export type Handlers = { readonly [Name in RouteName]: Handler<Name> };

type ParamName<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamName<Rest>
  : never;
