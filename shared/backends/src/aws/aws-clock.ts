/** What is less is the way of the answer, and the whole seconds of its Date. */
const NOISE_MS = 5000;

/**
 * What time it is for AWS, which alone says when credentials have expired: this machine's clock may be set wrong, and is
 * corrected by the Date of AWS's answers, errors among them (RFC 9110, section 6.6.1).
 */
export class AwsClock {
  #offsetMs = 0;

  /** How far AWS's clock is ahead of this machine's, milliseconds; 0 where they agree, and until AWS has answered. */
  get offsetMs(): number {
    return this.#offsetMs;
  }

  /** Milliseconds since 1970. */
  readonly now = (): number => Date.now() + this.#offsetMs;

  /** Of a client of the SDK, whose first call is then signed for the right time; its options' type lacks the member. */
  get clientOptions(): object {
    return { systemClockOffset: this.#offsetMs };
  }

  /** @param headers of an answer of AWS's, names in small letters */
  learn({ date, age }: { date?: string | undefined; age?: string | undefined }): void {
    const at = Date.parse(date ?? '');
    // One that a cache has kept says when it was made.
    if (Number.isNaN(at) || age !== undefined) return;
    const offsetMs = at - Date.now();
    this.#offsetMs = Math.abs(offsetMs) < NOISE_MS ? 0 : offsetMs;
  }
}
