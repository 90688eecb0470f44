/**
 * The maximum nesting depth of a reply: deeper than any request may be, so that every stored session can be
 * sent.
 */
export const replyDepth = 1000;
