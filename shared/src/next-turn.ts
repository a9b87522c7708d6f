/**
 * The next turn of the event loop. Long work waits for it between its parts, so that whoever else waits gets a turn: an
 * await alone does not let timers and sockets in.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
