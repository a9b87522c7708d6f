/** What keeps a release from being made; its message is one line that says what to do. */
export class ReleaseError extends Error {
  override readonly name = 'ReleaseError';
}
