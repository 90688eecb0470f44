/** Of a frame: the last of its message, and text (RFC 6455, section 5.2). */
const finalText = 0x81;

/**
 * An ack as the frame of a server, in latin1. Acks are what is sent most, and a library of WebSockets, which knows no text that
 * is short and plain, takes two buffers and twice the time for each.
 */
export function ackFrame(seq: number, revision: number): string {
  const text = `{"type":"ack","seq":${seq},"revision":${revision}}`;
  // Two safe integers and the keys: below the 126 bytes from which on the length takes more than one byte.
  return String.fromCharCode(finalText, text.length) + text;
}
