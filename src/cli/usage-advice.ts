/** What to do in place of a command line that commander refuses. Pure. */

const goOn =
  "sessionctl run ID goes on with a run that has ended, sessionctl resume ID with one that is held";
const results =
  "sessionctl results ID prints what the commands of a run printed, sessionctl events what happens";

/** Commands of other programs, separated by blanks. The most similar command here may be the opposite. */
const otherWords: readonly (readonly [words: string, advice: string])[] = [
  ["continue unpause start restart", goOn],
  ["retry rerun redo", "sessionctl run ID --retry-failed runs the failed files again"],
  [
    "cancel abort kill interrupt quit",
    "sessionctl pause ID holds a run; to end it, press Ctrl-C in its terminal",
  ],
  ["log logs output stdout tail follow", results],
  ["ps jobs", "sessionctl list lists the sessions, and sessionctl top watches them"],
  ["info describe get view inspect", "sessionctl show ID shows a session"],
  ["version", "sessionctl --version prints the versions"],
];

/** For commands about no single session. */
const withoutId: Readonly<Record<string, string>> = {
  list: "to see one session: sessionctl show ID",
  status: "it is about the daemon; to see a session: sessionctl show ID",
  stop: "it ends the daemon; to hold a run: sessionctl pause ID",
  top: "it shows all sessions; to see one: sessionctl show ID",
};

/** The text of the error, with advice where the usual one would not help. */
export function withUsageAdvice(text: string): string {
  const unknown = /^unknown command '(.+)'/.exec(text)?.[1];
  const advice = otherWords.find(([words]) => words.split(" ").includes(unknown ?? ""))?.[1];
  if (advice !== undefined) return `there is no command '${unknown}': ${advice}\n`;
  const overfull = /^too many arguments for '(.+?)'/.exec(text)?.[1] ?? "";
  if (Object.hasOwn(withoutId, overfull))
    return `too many arguments for '${overfull}', which takes no id; ${withoutId[overfull]}\n`;
  if (text.startsWith("missing required argument 'id'"))
    return `${text.trimEnd()}; to see all sessions: sessionctl list\n`;
  return text;
}
