import { randomBytes } from 'node:crypto';
import type { Clock } from '@vaultplane/platform/time/clock.ts';

/** What a watcher had is remembered for so long after it left, milliseconds. */
const REMEMBERED_MS = 600_000;
/** Told events remembered of all watches together; the watch that left first is forgotten first. */
const MOST_TOLD = 200_000;
/** Told events that one watch remembers one by one; a reader that missed more is told everything again. */
export const MAX_TOLD_OF_ONE = 5000;

/** What one watch was told, by digests: enough to go on where its reader left off, and no value. */
export class WatchStory {
  readonly id = randomBytes(12).toString('base64url');
  /** What the reader had before this watch began, and then by the first `#folded` events. */
  readonly #before: Map<string, string>;
  #folded = 0;
  readonly #told: Array<{ reference: string; digest: string }> = [];

  constructor(before: ReadonlyMap<string, string>) {
    this.#before = new Map(before);
  }

  get size(): number {
    return this.#before.size + this.#told.length;
  }

  /** @returns the event's id, as the reader will show it when it comes back */
  tell(reference: string, digest: string): string {
    this.#told.push({ reference, digest });
    if (this.#told.length > MAX_TOLD_OF_ONE) this.#fold();
    return `${this.id}.${this.#folded + this.#told.length}`;
  }

  /** By reference the digest of what a reader has that had so many events. */
  upTo(count: number): Map<string, string> {
    if (count < this.#folded) return new Map();
    const had = new Map(this.#before);
    for (const { reference, digest } of this.#told.slice(0, count - this.#folded)) had.set(reference, digest);
    return had;
  }

  /** A watch may last for months, of secrets that rotate every second. */
  #fold(): void {
    const oldest = this.#told.splice(0, MAX_TOLD_OF_ONE / 2);
    for (const { reference, digest } of oldest) this.#before.set(reference, digest);
    this.#folded += oldest.length;
  }
}

/** The stories of watches, so that a reader that comes back with a Last-Event-ID is told what it has not had, and only that. */
export class WatchHistory {
  readonly #clock: Clock;
  readonly #stories = new Map<string, { story: WatchStory; leftAt: number | null }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Begins a watch; `lastEventId` is from an earlier one, here or elsewhere, or from nowhere. */
  begin(lastEventId: string | undefined): { story: WatchStory; had: ReadonlyMap<string, string> } {
    this.#forget();
    const match = /^([\w-]{16})\.(\d{1,9})$/.exec(lastEventId ?? '');
    const earlier = match && this.#stories.get(match[1]!)?.story;
    const had = earlier ? earlier.upTo(Number(match[2])) : new Map<string, string>();
    const story = new WatchStory(had);
    this.#stories.set(story.id, { story, leftAt: null });
    return { story, had };
  }

  /** The watch's reader has gone, and may come back. */
  left(story: WatchStory): void {
    this.#stories.delete(story.id);
    this.#stories.set(story.id, { story, leftAt: this.#clock.monotonic() });
    this.#forget();
  }

  #forget(): void {
    const now = this.#clock.monotonic();
    let told = 0;
    for (const { story } of this.#stories.values()) told += story.size;
    for (const [id, { story, leftAt }] of this.#stories) {
      if (leftAt === null || (told <= MOST_TOLD && now - leftAt < REMEMBERED_MS)) continue;
      told -= story.size;
      this.#stories.delete(id);
    }
  }
}
