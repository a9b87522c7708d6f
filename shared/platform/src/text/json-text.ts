/** A JSON text without the byte order mark that editors of Windows put in front; it is no part of the JSON (RFC 8259 §8.1). */
export function withoutByteOrderMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}
