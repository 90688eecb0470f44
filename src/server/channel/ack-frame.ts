/** The most frequent message, encoded as a WebSocket frame. */

/** The first byte of a frame: a text message in one frame (RFC 6455, section 5.2). */
const finalText = 0x81;

/**
 * Encodes an ack as a frame, to be written in latin1. The WebSocket library would take two buffers and twice
 * the time for each ack.
 */
export function ackFrame(seq: number, revision: number): string {
  const text = `{"type":"ack","seq":${seq},"revision":${revision}}`;
  // Two safe integers and the keys are shorter than 126 bytes, so the length takes one byte.
  return String.fromCharCode(finalText, text.length) + text;
}
