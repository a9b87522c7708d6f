import type { ConfigPosition } from '@vaultplane/model/snapshots/snapshot.ts';

/**
 * The acknowledgement that was read last, on whichever link. All data planes acknowledge a change by the same bytes, and
 * the same bytes mean the same: they need be unpacked and checked once.
 */
export class LastAcknowledgement {
  #bytes: Buffer = Buffer.alloc(0);
  #position: ConfigPosition | undefined;

  /** What a message acknowledges, where it has the very bytes of the last; else it is to be read. */
  find(message: Buffer): ConfigPosition | undefined {
    return this.#position !== undefined && this.#bytes.equals(message) ? this.#position : undefined;
  }

  /** @param message was read, and acknowledges `position` */
  remember(message: Buffer, { timeline, version, hash }: ConfigPosition): void {
    // A copy: what comes by a link is part of a larger buffer, which is not to be kept.
    this.#bytes = Buffer.from(message);
    this.#position = { timeline, version, hash };
  }
}
