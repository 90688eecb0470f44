/** What ran to make the results of a session, as text for people. Pure. */
import { readRun } from "../../runner/remembered.ts";
import { templateText } from "../../runner/template.ts";
import type { Outline } from "./selection.ts";

export interface WhatRan {
  /** As it would be typed, if sessionctl ran it. */
  readonly command: string | undefined;
  readonly directory: string | undefined;
}

export function whatRan({ run }: Outline): WhatRan {
  const { template, directory } = readRun(run);
  return { command: template && templateText(template), directory };
}
