/** An option has an invalid value. The message is written for the person who gave it. */
export class OptionError extends Error {}
