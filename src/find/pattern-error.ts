/** A pattern that means nothing, or too much. The message says what to write instead. */
export class PatternError extends Error {}
