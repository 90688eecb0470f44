/** The status of a session as the end of a sentence: `is paused`, `has failed`, `is already completed`. */
export function isNow(status: string, adverb: "" | "already" = ""): string {
  const verb = status === "failed" ? "has" : status === "deleted" ? "was" : "is";
  return [verb, adverb, status].filter((word) => word !== "").join(" ");
}
