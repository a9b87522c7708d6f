/** What a MessagePack value may have. */
export interface MessagePackLimits {
  /** Values in all: each member's name and value, each item, each list and map. */
  maxValues: number;
  /** Lists and maps inside one another. */
  maxDepth: number;
}

const UNDEFINED_EXTENSION = 0;

/**
 * Why bytes are not exactly one plain MessagePack value within the limits; undefined where they are. Reads them without
 * allocating anything, so that whatever lengths they claim, a decoder that runs after this makes no more than these bytes
 * hold. Extension types are refused (but the one byte that means undefined): a library's own may make anything.
 *
 * Source of the format: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
export function messagePackProblem(bytes: Uint8Array, { maxValues, maxDepth }: MessagePackLimits): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length;
  /** How many values are still to come in each open list or map. */
  const open = new Float64Array(maxDepth + 1);
  open[0] = 1;
  let depth = 0;
  let values = 0;
  let at = 0;
  while (depth >= 0) {
    if (open[depth]! === 0) {
      depth--;
      continue;
    }
    open[depth]!--;
    if (++values > maxValues) return `it has more than ${maxValues} values`;
    if (at >= end) return 'it ends too early';
    const token = bytes[at++]!;
    /** Bytes to skip; values that follow as items; bytes of a length that says either. */
    let skip = 0;
    let items = -1;
    let lengthBytes = 0;
    if (token <= 0x7f || token >= 0xe0) continue;
    if (token <= 0x8f) items = 2 * (token & 0x0f);
    else if (token <= 0x9f) items = token & 0x0f;
    else if (token <= 0xbf) skip = token & 0x1f;
    else if (token === 0xc0 || token === 0xc2 || token === 0xc3) continue;
    else if (token >= 0xc4 && token <= 0xc6) lengthBytes = 1 << (token - 0xc4);
    else if (token === 0xca) skip = 4;
    else if (token === 0xcb) skip = 8;
    else if (token >= 0xcc && token <= 0xcf) skip = 1 << (token - 0xcc);
    else if (token >= 0xd0 && token <= 0xd3) skip = 1 << (token - 0xd0);
    else if (token === 0xd4 && bytes[at] === UNDEFINED_EXTENSION) skip = 2;
    else if (token >= 0xd9 && token <= 0xdb) lengthBytes = 1 << (token - 0xd9);
    else if (token >= 0xdc) lengthBytes = token % 2 === 0 ? 2 : 4;
    else return 'it has a type that is not plain MessagePack';
    if (lengthBytes > 0) {
      if (at + lengthBytes > end) return 'it ends too early';
      const length =
        lengthBytes === 1 ? view.getUint8(at) : lengthBytes === 2 ? view.getUint16(at) : view.getUint32(at);
      at += lengthBytes;
      if (token >= 0xde) items = 2 * length;
      else if (token >= 0xdc) items = length;
      else skip = length;
    }
    at += skip;
    if (at > end) return 'it ends too early';
    if (items <= 0) continue;
    // Each item is a byte at least.
    if (items > end - at) return 'it ends too early';
    if (++depth > maxDepth) return `it is nested more than ${maxDepth} deep`;
    open[depth] = items;
  }
  return at === end ? undefined : 'something follows it';
}
