import { encodeMessage, type ReportMessage } from '@vaultplane/model/protocol/protocol.ts';

/** A report has at most this many bytes: a part of what a control plane takes as one message. */
export const MAX_REPORT_BYTES = 256 * 1024;
const MAX_TEXT = 1024;

/**
 * A report as the link takes it: texts are cut to what the protocol allows, and of very many vaults only the first are told
 * of. /status of this data plane has all of them.
 */
export function fittingReport(report: Omit<ReportMessage, 'type'>): ReportMessage {
  const fitting: ReportMessage = {
    ...report,
    type: 'report',
    rejected_vaults: report.rejected_vaults.map((vault) => ({
      ...vault,
      prefix: vault.prefix.slice(0, MAX_TEXT),
      reason: vault.reason.slice(0, MAX_TEXT),
    })),
  };
  while (encodeMessage(fitting).length > MAX_REPORT_BYTES) {
    const longer = (fitting.vaults?.length ?? 0) > fitting.rejected_vaults.length ? 'vaults' : 'rejected_vaults';
    const list = fitting[longer] ?? [];
    if (list.length === 0) break;
    Object.assign(fitting, { [longer]: list.slice(0, Math.floor(list.length / 2)) });
  }
  return fitting;
}
