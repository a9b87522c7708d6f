import type { DrillReport } from './drill.ts';
export function reportPage(reports: readonly DrillReport[], begun: Date): string {
  return `${begun} ${reports.length}`;
}
