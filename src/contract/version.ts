/**
 * The version of the control API. Both sides send it in the header `sessiond-protocol`.
 *
 * 1: sessions, progress, cleanup, trash, backups, the worker channel.
 */
export const protocolVersion = 1;
export const protocolHeader = "sessiond-protocol";
