import * as ws from 'ws';

/** Public, but not in @types/ws. */
interface FrameMaker {
  frame(data: Uint8Array, options: { fin: boolean; opcode: number; mask: boolean; readOnly: boolean }): Uint8Array[];
}

const { Sender } = ws as unknown as { Sender: FrameMaker };
/** Source: RFC 6455 §5.2. */
const BINARY = 2;
const frames = new WeakMap<Uint8Array, Buffer>();

/**
 * A message as its WebSocket frame, made once for all peers: what a server sends has no mask (RFC 6455 §5.1), so every peer
 * gets the same bytes, and in one piece they cost less to write than head and message. To be written to the connection of a
 * WebSocket that is open, sends nothing in parts and compresses nothing.
 */
export function sharedFrame(message: Uint8Array): Buffer {
  let frame = frames.get(message);
  if (!frame) {
    frame = Buffer.concat(Sender.frame(message, { fin: true, opcode: BINARY, mask: false, readOnly: true }));
    frames.set(message, frame);
  }
  return frame;
}
