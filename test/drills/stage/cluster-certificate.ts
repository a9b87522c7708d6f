import { X509Certificate } from 'node:crypto';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificate } from '@vaultplane/testkit/certificates.ts';
import { fakeTimeLibrary } from './machine.ts';

const DAY_SECONDS = 86_400;

/** The certificate that all programs of a cluster show each other, which expires before long. */
export class ClusterCertificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly #folder: string;

  constructor(folder: string, lifeSeconds: number) {
    this.#folder = folder;
    this.certFile = join(folder, 'cluster.crt');
    this.keyFile = join(folder, 'cluster.key');
    // openssl counts in days: it makes one for a day on a clock that is a day back, but for its life.
    const { LD_PRELOAD, FAKETIME } = process.env;
    Object.assign(process.env, { LD_PRELOAD: fakeTimeLibrary(), FAKETIME: `-${DAY_SECONDS - lifeSeconds}s` });
    try {
      this.#make(1);
    } finally {
      for (const [name, value] of Object.entries({ LD_PRELOAD, FAKETIME })) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  }

  /** When it expires, ms since 1970. */
  get expiresAt(): number {
    return Date.parse(new X509Certificate(readFileSync(this.certFile)).validTo);
  }

  /** Puts another in the same files, of another key, for two days. */
  renew(): void {
    this.#make(2);
  }

  #make(days: number): void {
    const made = makeCertificate(this.#folder, 'cluster', { days });
    copyFileSync(made.keyFile, this.keyFile);
    copyFileSync(made.certFile, this.certFile);
  }
}
