/** Why the text of an option cannot be read, in words for the person who wrote it. */
export class OptionError extends Error {}
