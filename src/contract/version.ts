/**
 * The version of the control API, sent by both sides in the `sessiond-protocol` header.
 *
 * 1: sessions, progress, cleanup, trash, backups, the worker channel.
 */
export const protocolVersion = 1;
export const protocolHeader = "sessiond-protocol";
