/** Something the emulator was told (a seed, a principal, a role, an order) makes no sense; the message says what. */
export class SpecError extends Error {
  override readonly name = 'SpecError';
}
