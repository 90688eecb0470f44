/** Deeper than a request may ever nest, so that what was stored can be sent under any configuration. */
export const replyDepth = 1000;
