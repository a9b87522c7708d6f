import { getCACertificates } from 'node:tls';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { readRegularFile } from '@vaultplane/platform/files/regular-file.ts';
import { inlinePem, PEM_FORMS } from '@vaultplane/platform/settings/pem-setting.ts';
import { fileError } from '@vaultplane/platform/text/shown-text.ts';

/**
 * Certificates as PEM, of whom a TLS connection trusts.
 *
 * @param sources `system` and/or PEM (a path, PEM itself, or base64 of it), as in ssl_trusted_certificate
 * @throws BackendError unavailable where a file can't be read
 */
export function trustedCertificates(sources: readonly string[]): string[] {
  const trusted = new Set<string>();
  for (const source of sources) {
    if (source === 'system') {
      // The system's store may be empty, as in small containers; then Node.js's own list is what people expect.
      for (const kind of ['default', 'system'] as const) for (const pem of getCACertificates(kind)) trusted.add(pem);
      continue;
    }
    try {
      trusted.add(inlinePem(source) ?? readRegularFile(source));
    } catch (error) {
      throw new BackendError(
        'unavailable',
        fileError('ssl_trusted_certificate: ', source, "can't be read", error, PEM_FORMS),
      );
    }
  }
  return [...trusted];
}
