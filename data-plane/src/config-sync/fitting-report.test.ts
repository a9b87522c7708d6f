import assert from 'node:assert/strict';
import { it } from 'node:test';
import { decodeDataPlaneMessage, encodeMessage } from '@vaultplane/model/protocol/protocol.ts';
import { fittingReport, MAX_REPORT_BYTES } from './fitting-report.ts';

const references = { fresh: 1, stale: 0, resurrected: 0, negative: 0 };

it('leaves a report of the usual size as it is', () => {
  const report = {
    references,
    rejected_vaults: [{ prefix: 'a-b', reason: 'unknown type' }],
    vaults: [{ prefix: 'a-c', ...references }],
    cert_expires_at: 7,
  };
  assert.deepEqual(fittingReport(report), { type: 'report', ...report });
});

it('cuts what is too long or too much to what the link takes', () => {
  const many = Array.from({ length: 1000 }, (_, index) => index);
  const report = fittingReport({
    references,
    rejected_vaults: many.map((index) => ({ prefix: `vault-${index}`, reason: 'ü'.repeat(5000) })),
    vaults: many.map((index) => ({ prefix: `vault-${index}-${'x'.repeat(500)}`, ...references })),
  });
  const bytes = encodeMessage(report);
  assert.ok(bytes.length <= MAX_REPORT_BYTES);
  assert.ok(report.rejected_vaults.length > 10 && report.vaults!.length > 10);
  assert.deepEqual(decodeDataPlaneMessage(bytes), report);
});
