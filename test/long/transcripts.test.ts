/** Plays the transcripts of the pages that run many commands, or wait. */
import { describe, test } from "vitest";
import { noPseudoTerminal } from "../cli/pseudo-terminal.ts";
import { systemServiceListens } from "../support/system-service.ts";
import { play } from "../transcripts/play.ts";
import { longScenes } from "../transcripts/scenes.ts";

describe.skipIf(noPseudoTerminal !== undefined || systemServiceListens)("the transcripts are real", () => {
  test.each(Object.entries(longScenes))("in %s", async (page, scene) => {
    await play(page, scene);
  });
});
